public import CKernel
import FUSEWire
public import SystemPackage
import VirtioFSDriver

/// Locks of open files. Those of a range are the process's, those of the whole file the open file's.
extension GuestFile {
    /// Takes a lock (`F_RDLCK`, `F_WRLCK`) of a range, or gives it back (`F_UNLCK`). The corresponding calls are fcntl(2)
    /// `F_SETLK` and, where `waits`, `F_SETLKW`; then cancelling the task ends the wait with EINTR.
    ///
    /// - Parameter length: bytes; zero reaches to the end, wherever that will be.
    public func lock(
        _ type: Int32, from start: Int64 = 0, length: Int64 = 0, waits: Bool = false
    ) async throws(Errno) {
        guard type != F_RDLCK || canRead, type != F_WRLCK || canWrite else { throw .badFileDescriptor }
        try await client.setlk(
            node, handle, owner: process.lockOwner, try range(type, start, length), waits: waits, as: caller)
    }

    /// What stands in the way of such a lock; nothing where it could be taken. The corresponding call is fcntl(2)
    /// `F_GETLK`.
    public func obstacle(
        to type: Int32, from start: Int64 = 0, length: Int64 = 0
    ) async throws(Errno) -> fuse_file_lock? {
        let found = try await client.getlk(
            node, handle, owner: process.lockOwner, try range(type, start, length), as: caller)
        return found.type == UInt32(F_UNLCK) ? nil : found
    }

    private func range(_ type: Int32, _ start: Int64, _ length: Int64) throws(Errno) -> fuse_file_lock {
        guard start >= 0, length >= 0 else { throw .invalidArgument }
        let end = length == 0 ? UInt64(Int64.max) : UInt64(start) + UInt64(length) - 1
        return fuse_file_lock(start: UInt64(start), end: end, type: UInt32(type), pid: caller.pid)
    }

    /// The corresponding call is flock(2), with `F_RDLCK` for `LOCK_SH`, `F_WRLCK` for `LOCK_EX` and `F_UNLCK`.
    public func flock(_ type: Int32, waits: Bool = false) async throws(Errno) {
        try await client.flock(node, handle, owner: flockOwner, type: type, waits: waits, as: caller)
    }
}
