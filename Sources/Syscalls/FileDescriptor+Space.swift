import CKernel
public import SystemPackage

/// Calls about where a file's bytes are. Each throws the `errno` of its man page.
extension FileDescriptor {
    /// The corresponding call is fallocate(2).
    public func allocate(mode: Int32, offset: Int, length: Int) throws(Errno) {
        try checkRetrying { fallocate64(rawValue, mode, offset, length) }
    }

    /// The corresponding call is lseek(2).
    public func seek(to offset: Int, whence: Int32) throws(Errno) -> Int {
        try check(lseek64(rawValue, offset, whence))
    }

    /// The corresponding call is copy_file_range(2): bytes copied.
    public func copyRange(
        at offset: Int, to target: FileDescriptor, at targetOffset: Int, count: Int, flags: UInt32
    ) throws(Errno) -> Int {
        var (from, to) = (offset, targetOffset)
        return try checkRetrying { copy_file_range(rawValue, &from, target.rawValue, &to, count, flags) }
    }

    /// Writes out the whole file system that this file is on (syncfs(2)).
    public func synchronizeFileSystem() throws(Errno) { try check(CKernel.syncfs(rawValue)) }

    /// Which of `events` are there now (poll(2) that does not wait).
    public func readiness(for events: Int16) throws(Errno) -> Int16 {
        var query = pollfd(fd: rawValue, events: events, revents: 0)
        try checkRetrying { CKernel.poll(&query, 1, 0) }
        return query.revents
    }

    /// The corresponding call is ioctl(2).
    public func control(_ command: UInt32, _ argument: UnsafeMutableRawPointer) throws(Errno) -> Int32 {
        try check(ck_ioctl(rawValue, UInt(command), argument))
    }
}
