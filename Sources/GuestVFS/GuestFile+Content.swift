public import CKernel
import FUSEWire
public import SystemPackage
import VirtioFSDriver

/// What is in an open file.
extension GuestFile {
    /// Reads at an offset, until the buffer is full or the file ends. The corresponding call is pread(2).
    ///
    /// The buffer has to stay until the call has returned.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) async throws(Errno) -> Int {
        guard canRead else { throw .badFileDescriptor }
        guard !isFolder else { throw .isDirectory }
        guard offset >= 0 else { throw .invalidArgument }
        var count = 0
        while count < buffer.count {
            let wanted = min(client.largestRead, buffer.count - count)
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[count..<(count + wanted)])
            let got = try await client.read(
                node, handle, at: UInt64(offset) + UInt64(count), into: room, flags: flags, as: caller)
            count += got
            guard got == wanted else { break }
        }
        return count
    }

    /// At most `count` bytes from an offset on.
    public func read(_ count: Int, at offset: Int64) async throws(Errno) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
        defer { buffer.deallocate() }
        return Array(buffer.prefix(try await read(into: buffer, at: offset)))
    }

    /// From the file's position on, which moves. The corresponding call is read(2).
    public func read(_ count: Int) async throws(Errno) -> [UInt8] {
        let bytes = try await read(count, at: position)
        position += Int64(bytes.count)
        return bytes
    }

    /// Writes at an offset; at the end where the file is open with `O_APPEND`. The corresponding call is pwrite(2).
    ///
    /// - Returns: bytes written: less than all where an error came behind them.
    public func write(from buffer: UnsafeRawBufferPointer, at offset: Int64) async throws(Errno) -> Int {
        guard canWrite else { throw .badFileDescriptor }
        guard offset >= 0 else { throw .invalidArgument }
        guard flags & O_APPEND != 0 else { return try await writeAll(buffer, at: UInt64(offset)) }
        return try await append(buffer).count
    }

    private func writeAll(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) async throws(Errno) -> Int {
        var count = 0
        while count < buffer.count {
            let piece = UnsafeRawBufferPointer(rebasing: buffer[count...].prefix(client.largestWrite))
            do throws(Errno) {
                let written = try await client.write(
                    node, handle, at: offset + UInt64(count), from: piece, flags: flags,
                    killsSetID: !process.isPrivileged && client.negotiated.contains(.handleKillprivV2), as: caller)
                count += written
                guard written == piece.count else { break }
            } catch {
                guard count > 0 else { throw error }
                break
            }
        }
        return count
    }

    /// The kernel knows where the end is and nobody else writes meanwhile, so this client's appends come one by one.
    private func append(_ buffer: UnsafeRawBufferPointer) async throws(Errno) -> (start: Int64, count: Int) {
        await process.appends.enter()
        do throws(Errno) {
            let end = try await stat().size
            let count = try await writeAll(buffer, at: end)
            await process.appends.leave()
            return (Int64(end), count)
        } catch {
            await process.appends.leave()
            throw error
        }
    }

    public func write(_ bytes: [UInt8], at offset: Int64) async throws(Errno) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
        defer { buffer.deallocate() }
        buffer.copyBytes(from: bytes)
        return try await write(from: UnsafeRawBufferPointer(buffer), at: offset)
    }

    /// At the file's position, which moves. The corresponding call is write(2).
    @discardableResult
    public func write(_ bytes: [UInt8]) async throws(Errno) -> Int {
        guard canWrite else { throw .badFileDescriptor }
        guard flags & O_APPEND != 0 else {
            let count = try await write(bytes, at: position)
            position += Int64(count)
            return count
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
        defer { buffer.deallocate() }
        buffer.copyBytes(from: bytes)
        let (start, count) = try await append(UnsafeRawBufferPointer(buffer))
        position = start + Int64(count)
        return count
    }

    /// Moves the file's position. The corresponding call is lseek(2), with `SEEK_DATA` and `SEEK_HOLE`.
    @discardableResult
    public func seek(to offset: Int64, _ whence: Int32 = SEEK_SET) async throws(Errno) -> Int64 {
        let target: Int64
        switch whence {
        case SEEK_SET: target = offset
        case SEEK_CUR: target = position + offset
        case SEEK_END: target = Int64(try await stat().size) + offset
        case SEEK_DATA, SEEK_HOLE:
            guard offset >= 0 else { throw Errno(rawValue: ENXIO) }
            target = Int64(
                try await client.lseek(node, handle, to: UInt64(offset), whence: UInt32(whence), as: caller))
        default: throw .invalidArgument
        }
        guard target >= 0 else { throw .invalidArgument }
        position = target
        return target
    }

    /// The corresponding calls are fsync(2) and fdatasync(2).
    public func sync(dataOnly: Bool = false) async throws(Errno) {
        do throws(Errno) {
            if isFolder {
                try await client.fsyncdir(node, handle, dataOnly: dataOnly, as: caller)
            } else {
                try await client.fsync(node, handle, dataOnly: dataOnly, as: caller)
            }
        } catch .noFunction {
            // Such a device has nothing to do for it.
        }
    }

    /// The corresponding call is fallocate(2).
    public func allocate(at offset: Int64, length: Int64, mode: Int32 = 0) async throws(Errno) {
        guard offset >= 0, length > 0 else { throw .invalidArgument }
        guard canWrite else { throw .badFileDescriptor }
        try await client.fallocate(
            node, handle, at: UInt64(offset), length: UInt64(length), mode: UInt32(bitPattern: mode), as: caller)
    }

    /// The corresponding call is copy_file_range(2), with both offsets.
    public func copy(
        from offset: Int64, to target: GuestFile, at targetOffset: Int64, count: Int
    ) async throws(Errno) -> Int {
        guard !isFolder, !target.isFolder else { throw .isDirectory }
        guard canRead, target.canWrite, target.flags & O_APPEND == 0 else { throw .badFileDescriptor }
        guard offset >= 0, targetOffset >= 0 else { throw .invalidArgument }
        return Int(
            try await client.copyFileRange(
                from: (node, handle, UInt64(offset)), to: (target.node, target.handle, UInt64(targetOffset)),
                count: UInt64(count), as: caller))
    }
}
