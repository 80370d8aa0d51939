import CKernel
import Glibc
import Synchronization
import Syscalls
public import SystemPackage
public import Virtio

/// Writes a recording (``Recording``) of what a device serves. Each exchange is one writev(2) to a file opened for appending,
/// straight from the guest's memory, so that the threads of the device need no lock among them.
public final class Recorder: Sendable {
    private let file: OwnedDescriptor
    /// The errno of the write that failed; the recording ends there.
    private let failure = Atomic<Int32>(0)

    /// Makes the file, in place of one that is there.
    ///
    /// - Parameter settings: how the device was told to serve, for whoever replays the recording.
    public init(path: FilePath, settings: String = "") throws(Errno) {
        let descriptor = try FileDescriptor.workingFolder.openAt(
            path.string, flags: O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, mode: 0o600)
        file = OwnedDescriptor(owning: descriptor)
        let head = Recording.head(settings: settings)
        let count = head.withUnsafeBytes { CKernel.write(descriptor.rawValue, $0.baseAddress, $0.count) }
        guard count == head.count else { throw Errno(rawValue: errno) }
    }

    /// What was wrong with the file, from which on nothing was recorded.
    public var error: Errno? {
        let number = failure.load(ordering: .relaxed)
        return number == 0 ? nil : Errno(rawValue: number)
    }

    /// The recording, to be kept open by a process that can't reach it by its path.
    public var descriptor: FileDescriptor { file.descriptor }

    /// To be given to a device.
    public var tap: RequestTap { RequestTap { [self] in record($0) } }

    private func record(_ exchange: RequestTap.Exchange) {
        guard failure.load(ordering: .relaxed) == 0 else { return }
        var request = Array(exchange.readable)
        // The header says how long the request is; buffers may be longer.
        let length = requestLength(request)
        Self.cut(&request, to: length)
        var reply = Array(exchange.writable)
        Self.cut(&reply, to: Int(exchange.written))
        var entry = bytes(of: UInt32(length).littleEndian) + bytes(of: exchange.written.littleEndian)
        entry += bytes(of: UInt16(exchange.queue).littleEndian) + [UInt8](repeating: 0, count: 6)
        entry += bytes(of: exchange.start.littleEndian) + bytes(of: exchange.end.littleEndian)
        let total = entry.count + length + Int(exchange.written)
        entry.withUnsafeMutableBytes {
            write([iovec(iov_base: $0.baseAddress, iov_len: $0.count)] + request + reply, total)
        }
    }

    /// Buffers beyond what writev(2) takes at once are put together first.
    private static let mostBuffers = 1024

    private func write(_ parts: [iovec], _ total: Int) {
        guard parts.count <= Self.mostBuffers else {
            var whole: [UInt8] = []
            for part in parts { whole += UnsafeRawBufferPointer(start: part.iov_base, count: part.iov_len) }
            return whole.withUnsafeMutableBytes { write([iovec(iov_base: $0.baseAddress, iov_len: total)], total) }
        }
        let count = writev(file.rawValue, parts, Int32(parts.count))
        if count != total { failure.store(count < 0 ? errno : ENOSPC, ordering: .relaxed) }
    }

    private func requestLength(_ parts: [iovec]) -> Int {
        let room = parts.reduce(0) { $0 + $1.iov_len }
        var length: UInt32 = 0
        var filled = 0
        withUnsafeMutableBytes(of: &length) { target in
            for part in parts {
                for index in 0..<part.iov_len where filled < 4 {
                    target[filled] = part.iov_base.load(fromByteOffset: index, as: UInt8.self)
                    filled += 1
                }
                if filled == 4 { break }
            }
        }
        // A client of the other byte order, or one that lies: then all that there is.
        let claimed = Int(UInt32(littleEndian: length))
        return claimed >= MemoryLayout<fuse_in_header>.size && claimed <= room
            ? claimed : min(room, Recording.largestPart)
    }

    private static func cut(_ parts: inout [iovec], to length: Int) {
        var left = length
        for index in parts.indices {
            parts[index].iov_len = min(parts[index].iov_len, left)
            left -= parts[index].iov_len
        }
        parts.removeAll { $0.iov_len == 0 }
    }
}
