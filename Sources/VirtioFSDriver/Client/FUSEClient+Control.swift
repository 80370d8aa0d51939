public import CKernel
public import FUSEWire
public import SystemPackage

/// Locks, and what else an open file is asked.
extension FUSEClient {
    /// GETLK: what stands in the way of a lock; `F_UNLCK` where nothing does.
    ///
    /// - Parameter owner: who would hold it: the same number for the same process.
    public func getlk(
        _ node: NodeID, _ handle: FileHandle, owner: UInt64, _ lock: fuse_file_lock, as caller: Caller
    ) async throws(Errno) -> fuse_file_lock {
        try await call(.getlk, node, as: caller, returning: fuse_lk_out.self) {
            $0.append(lockArguments(handle, owner, lock, isFlock: false))
        }.lk
    }

    /// SETLK, or SETLKW where `waits`: takes a lock of a range, or gives it back (`F_UNLCK`). Cancelling the task ends the
    /// wait with EINTR.
    public func setlk(
        _ node: NodeID, _ handle: FileHandle, owner: UInt64, _ lock: fuse_file_lock, waits: Bool = false,
        as caller: Caller
    ) async throws(Errno) {
        try await perform(waits ? .setlkw : .setlk, node, as: caller) {
            $0.append(lockArguments(handle, owner, lock, isFlock: false))
        }
    }

    /// flock(2): a lock of the whole file, of an open file.
    ///
    /// - Parameters:
    ///   - owner: the same number for the same open file.
    ///   - type: `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
    public func flock(
        _ node: NodeID, _ handle: FileHandle, owner: UInt64, type: Int32, waits: Bool = false, as caller: Caller
    ) async throws(Errno) {
        let lock = fuse_file_lock(start: 0, end: UInt64(Int64.max), type: UInt32(type), pid: caller.pid)
        try await perform(waits ? .setlkw : .setlk, node, as: caller) {
            $0.append(lockArguments(handle, owner, lock, isFlock: true))
        }
    }

    private func lockArguments(
        _ handle: FileHandle, _ owner: UInt64, _ lock: fuse_file_lock, isFlock: Bool
    ) -> fuse_lk_in {
        fuse_lk_in(
            fh: handle.rawValue, owner: owner, lk: lock, lk_flags: isFlock ? UInt32(FUSE_LK_FLOCK) : 0, padding: 0)
    }

    /// IOCTL, of the kind whose number says what goes in and out.
    ///
    /// - Returns: the call's own result, and what it passed out, at most `outputSize` bytes.
    public func ioctl(
        _ node: NodeID, _ handle: FileHandle, command: UInt32, argument: UInt64 = 0, input: [UInt8] = [],
        outputSize: Int = 0, flags: UInt32 = 0, as caller: Caller
    ) async throws(Errno) -> (result: Int32, output: [UInt8]) {
        let arguments = fuse_ioctl_in(
            fh: handle.rawValue, flags: flags, cmd: command, arg: argument, in_size: UInt32(input.count),
            out_size: UInt32(outputSize))
        let reply = try await call(
            .ioctl, node, as: caller,
            { request in
                request.append(arguments)
                input.withUnsafeBytes { request.append($0) }
            }
        ) { .success(Array($0)) }
        let head = try reply.withUnsafeBytes { $0.firstBytes(as: fuse_ioctl_out.self) }.get()
        return (head.result, Array(reply.dropFirst(MemoryLayout<fuse_ioctl_out>.size)))
    }

    /// POLL: which of the events are there now (poll(2)).
    public func poll(
        _ node: NodeID, _ handle: FileHandle, events: UInt32, as caller: Caller
    ) async throws(Errno) -> UInt32 {
        try await call(.poll, node, as: caller, returning: fuse_poll_out.self) { request in
            request.append(fuse_poll_in(fh: handle.rawValue, kh: 0, flags: 0, events: events))
        }.revents
    }

    /// SYNCFS.
    public func syncfs(as caller: Caller) async throws(Errno) {
        try await perform(.syncfs, .root, as: caller) { $0.append(fuse_syncfs_in(padding: 0)) }
    }
}
