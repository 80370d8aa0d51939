public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

/// READ and WRITE.
extension HostDirectory {
    public func read(
        _ node: NodeID, _ arguments: fuse_read_in, into segments: UnsafeBufferPointer<iovec>, _ request: Request
    ) throws(Errno) -> Int {
        let offset = try position(arguments.offset)
        return try withHandle(arguments.fh, of: node, .file) { file throws(Errno) in
            let descriptor = file.payload.descriptor
            if file.payload.waits {
                try request.mayBlock()
            } else if file.canTellWhatIsInMemory {
                if let count = try readFromMemory(file, segments, offset) { return count }
                if file.canTellWhatIsInMemory { try request.mayBlock() }
            }
            return try transfer(segments, at: offset) { part, place throws(Errno) in
                try descriptor.readVector(part, at: place)
            }
        }
    }

    /// Reads without waiting for a disk. Nothing if not all that there is to read is in memory, or nobody can tell.
    private func readFromMemory(
        _ file: HandleTable.Pin, _ segments: UnsafeBufferPointer<iovec>, _ offset: Int
    ) throws(Errno) -> Int? {
        let descriptor = file.payload.descriptor
        let count: Int
        do throws(Errno) {
            count = try transfer(segments, at: offset) { part, place throws(Errno) in
                try descriptor.readVectorWithoutWaiting(part, at: place)
            }
        } catch {
            if error == .resourceTemporarilyUnavailable { return nil }
            guard error.rawValue == EOPNOTSUPP else { throw error }
            file.cannotTellWhatIsInMemory()
            return nil
        }
        // Fewer bytes mean the end of the file to the client: so it has to be the end.
        if count == 0 || count == segments.byteCount { return count }
        return try descriptor.sizeBySeeking() <= offset + count ? count : nil
    }

    public func write(
        _ node: NodeID, _ arguments: fuse_write_in, from segments: UnsafeBufferPointer<iovec>, _ request: Request
    ) throws(Errno) -> Int {
        try refuseChange()
        let offset = try position(arguments.offset)
        return try withHandle(arguments.fh, of: node, .file) { file throws(Errno) in
            if file.payload.waits { try request.mayBlock() }
            dropCapabilities(of: file.payload.descriptor)
            let killing = arguments.write_flags & UInt32(FUSE_WRITE_KILL_SUIDGID) != 0
            let appends = appends(arguments)
            return try withoutFSETID(killing, group: try hostGroup(request.gid)) { () throws(Errno) in
                let descriptor = file.payload.descriptor
                let count = try transfer(segments, at: offset) { part, place throws(Errno) in
                    try descriptor.writeVector(part, at: place, appending: appends)
                }
                guard arguments.write_flags & UInt32(FUSE_WRITE_CACHE) != 0, count < segments.byteCount else {
                    return count
                }
                try writeRest(of: segments, behind: count, descriptor, offset)
                return segments.byteCount
            }
        }
    }

    /// Writes what a host that ran short has left: Linux takes pages from its cache for written as long as there is no
    /// error (`fuse_writepage_end`, fs/fuse/file.c), and would lose the rest without a word.
    private func writeRest(
        of segments: UnsafeBufferPointer<iovec>, behind start: Int, _ descriptor: FileDescriptor, _ offset: Int
    ) throws(Errno) {
        var (skipped, place) = (start, offset + start)
        for segment in segments {
            var done = min(skipped, segment.iov_len)
            skipped -= done
            while done < segment.iov_len {
                var part = iovec(iov_base: segment.iov_base + done, iov_len: segment.iov_len - done)
                let count = try withUnsafePointer(to: &part) { pointer throws(Errno) in
                    try descriptor.writeVector(
                        UnsafeBufferPointer(start: pointer, count: 1), at: place, appending: false)
                }
                guard count > 0 else { throw .ioError }
                done += count
                place += count
            }
        }
    }

    /// Whether the bytes go behind the file's last one, wherever that is by now. The flags are those that the file has at
    /// this moment, and none where a mapping's pages are written. A client that collects writes knows itself where the end
    /// of the file is.
    private func appends(_ arguments: fuse_write_in) -> Bool {
        arguments.flags & UInt32(O_APPEND) != 0 && !isWriteback
    }

    /// Reads or writes all segments, in as many calls as the host needs for so many (`IOV_MAX`), until one falls short.
    @inline(__always)
    private func transfer(
        _ segments: UnsafeBufferPointer<iovec>, at offset: Int,
        _ call: (UnsafeBufferPointer<iovec>, Int) throws(Errno) -> Int
    ) throws(Errno) -> Int {
        if segments.count <= Self.mostSegments { return try call(segments, offset) }
        var done = 0
        var next = 0
        while next < segments.count {
            let end = min(next + Self.mostSegments, segments.count)
            let part = UnsafeBufferPointer(rebasing: segments[next..<end])
            do throws(Errno) {
                let count = try call(part, offset &+ done)
                done += count
                if count < part.byteCount { return done }
            } catch {
                guard done > 0 else { throw error }
                return done
            }
            next = end
        }
        return done
    }

    private static var mostSegments: Int { 1024 }
}

extension UnsafeBufferPointer<iovec> {
    fileprivate var byteCount: Int {
        var count = 0
        for segment in self { count &+= segment.iov_len }
        return count
    }
}
