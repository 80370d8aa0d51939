public import CKernel
public import SystemPackage

/// Calls on an open file. Each throws the `errno` of its man page.
extension FileDescriptor {
    /// The corresponding call is preadv(2), or pread(2), which takes 0.1 µs less, for one segment: how many bytes were read,
    /// fewer than asked for at the end of the file.
    public func readVector(
        _ segments: UnsafeBufferPointer<iovec>, at offset: Int
    ) throws(Errno) -> Int {
        if segments.count == 1 {
            let segment = segments[0]
            return try checkRetrying { pread64(rawValue, segment.iov_base, segment.iov_len, offset) }
        }
        return try checkRetrying { preadv64(rawValue, segments.baseAddress, Int32(segments.count), offset) }
    }

    /// The corresponding call is preadv2(2) with `RWF_NOWAIT`: throws EAGAIN where the bytes are not in memory, and
    /// EOPNOTSUPP where the file system can't tell.
    public func readVectorWithoutWaiting(
        _ segments: UnsafeBufferPointer<iovec>, at offset: Int
    ) throws(Errno) -> Int {
        try checkRetrying {
            preadv64v2(rawValue, segments.baseAddress, Int32(segments.count), offset, Int32(RWF_NOWAIT))
        }
    }

    /// The corresponding call is pwritev(2), or pwrite(2) for one segment, or pwritev2(2) with `RWF_APPEND`.
    ///
    /// - Parameter appending: writes behind the end of the file instead.
    public func writeVector(
        _ segments: UnsafeBufferPointer<iovec>, at offset: Int, appending: Bool = false
    ) throws(Errno) -> Int {
        if segments.count == 1, !appending {
            let segment = segments[0]
            return try checkRetrying { pwrite64(rawValue, segment.iov_base, segment.iov_len, offset) }
        }
        return try checkRetrying {
            appending
                ? pwritev64v2(rawValue, segments.baseAddress, Int32(segments.count), offset, Int32(RWF_APPEND))
                : pwritev64(rawValue, segments.baseAddress, Int32(segments.count), offset)
        }
    }

    /// The corresponding call is fsync(2), or fdatasync(2) for `dataOnly`.
    public func synchronize(dataOnly: Bool) throws(Errno) {
        try checkRetrying { dataOnly ? fdatasync(rawValue) : fsync(rawValue) }
    }

    public func truncate(to size: Int) throws(Errno) {
        try checkRetrying { ftruncate64(rawValue, size) }
    }

    public func changeMode(_ mode: mode_t) throws(Errno) { try check(fchmod(rawValue, mode)) }

    /// The corresponding call is fstatvfs(3).
    public func fileSystemStatus() throws(Errno) -> statvfs64 {
        var status = statvfs64()
        try checkRetrying { fstatvfs64(rawValue, &status) }
        return status
    }

    /// Fills `buffer` with directory entries from the current position on (getdents64(2)): bytes used, zero at the end.
    public func readEntries(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
        try check(ck_getdents64(rawValue, buffer.baseAddress, buffer.count))
    }

    /// The corresponding call is lseek(2) from the start of the file.
    public func setPosition(_ offset: Int) throws(Errno) {
        try check(lseek64(rawValue, offset, SEEK_SET))
    }

    /// Tells the file system that one user of this file is done, so that it reports a delayed error now: the effect of
    /// close(2) without the loss of the descriptor.
    public func flush() throws(Errno) {
        let copy = try check(ck_fcntl_int(rawValue, F_DUPFD_CLOEXEC, 0))
        try check(CKernel.close(copy))
    }
}
