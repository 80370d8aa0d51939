public import CKernel
public import SystemPackage

/// Calls that name a file by a folder's descriptor and a path below it. Names are C strings, because the names of a file
/// system are bytes, not text. Each throws the `errno` of its man page.
extension FileDescriptor {
    /// The working folder, in place of a descriptor (`AT_FDCWD`).
    public static var workingFolder: FileDescriptor { FileDescriptor(rawValue: AT_FDCWD) }

    /// The corresponding call is openat(2). `O_CLOEXEC` is always added.
    public func openAt(
        _ path: UnsafePointer<CChar>, flags: Int32, mode: mode_t = 0
    ) throws(Errno) -> FileDescriptor {
        FileDescriptor(
            rawValue: try checkRetrying { ck_openat(rawValue, path, flags | O_CLOEXEC, mode) })
    }

    /// Holds the folder at `path`, which may be reached through symbolic links, with `O_PATH`.
    public static func folder(at path: FilePath) throws(Errno) -> OwnedDescriptor {
        let bytes = path.withPlatformString { Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1)) }
        return OwnedDescriptor(owning: try workingFolder.openAt(bytes, flags: O_PATH | O_DIRECTORY))
    }

    /// Holds what this has open once more, with `O_PATH`. The corresponding call is open_tree(2) with `AT_EMPTY_PATH`.
    public func held() throws(Errno) -> OwnedDescriptor {
        let flags = UInt32(AT_EMPTY_PATH | O_CLOEXEC)
        return OwnedDescriptor(owning: FileDescriptor(rawValue: try check(open_tree(rawValue, "", flags))))
    }

    /// The corresponding call is statx(2), with `AT_STATX_SYNC_AS_STAT`.
    public func statusAt(
        _ path: UnsafePointer<CChar>, flags: Int32, mask: UInt32, into status: inout statx
    ) throws(Errno) {
        try check(statx(rawValue, path, flags, mask, &status))
    }

    /// statx(2) of this very descriptor (`AT_EMPTY_PATH`).
    public func status(mask: UInt32, into status: inout statx) throws(Errno) {
        try check(statx(rawValue, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, mask, &status))
    }

    /// fstat(2): what there is to know of a file but its mount and its time of birth, for less than statx(2) takes.
    public func status() throws(Errno) -> CKernel.stat {
        var status = CKernel.stat()
        try check(ck_fstat(rawValue, &status))
        return status
    }

    /// The target of the symbolic link that this `O_PATH` descriptor names, without a terminator: how many bytes of
    /// `buffer` it filled. The corresponding call is readlinkat(2).
    public func readLink(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
        let bytes = buffer.baseAddress!.assumingMemoryBound(to: CChar.self)
        return try check(readlinkat(rawValue, "", bytes, buffer.count))
    }

    public func makeDirectoryAt(_ path: UnsafePointer<CChar>, mode: mode_t) throws(Errno) {
        try check(mkdirat(rawValue, path, mode))
    }

    /// The corresponding call is mknodat(2).
    public func makeNodeAt(_ path: UnsafePointer<CChar>, mode: mode_t, device: dev_t) throws(Errno) {
        try check(mknodat(rawValue, path, mode, device))
    }

    public func makeSymbolicLinkAt(_ path: UnsafePointer<CChar>, target: UnsafePointer<CChar>) throws(Errno) {
        try check(symlinkat(target, rawValue, path))
    }

    /// The corresponding call is unlinkat(2); `AT_REMOVEDIR` makes it rmdir(2).
    public func unlinkAt(_ path: UnsafePointer<CChar>, flags: Int32) throws(Errno) {
        try check(unlinkat(rawValue, path, flags))
    }

    /// The corresponding call is renameat2(2).
    public func renameAt(
        _ path: UnsafePointer<CChar>, to folder: FileDescriptor, _ newPath: UnsafePointer<CChar>, flags: UInt32
    ) throws(Errno) {
        try check(renameat2(rawValue, path, folder.rawValue, newPath, flags))
    }

    /// The corresponding call is linkat(2).
    public func linkAt(
        _ path: UnsafePointer<CChar>, to folder: FileDescriptor, _ newPath: UnsafePointer<CChar>, flags: Int32
    ) throws(Errno) {
        try check(linkat(rawValue, path, folder.rawValue, newPath, flags))
    }

    /// The corresponding call is fchmodat(2), following the last step.
    public func changeModeAt(_ path: UnsafePointer<CChar>, mode: mode_t) throws(Errno) {
        try check(fchmodat(rawValue, path, mode, 0))
    }

    /// The corresponding call is fchownat(2) with `AT_EMPTY_PATH`; an id of `UInt32.max` stays as it is.
    public func changeOwner(uid: UInt32, gid: UInt32) throws(Errno) {
        try check(fchownat(rawValue, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
    }

    /// The corresponding call is utimensat(2) with `AT_EMPTY_PATH`: access time, modification time.
    public func changeTimes(access: timespec, modification: timespec) throws(Errno) {
        let times = (access, modification)
        try withUnsafePointer(to: times) { pointer throws(Errno) in
            try pointer.withMemoryRebound(to: timespec.self, capacity: 2) { pair throws(Errno) in
                _ = try check(utimensat(rawValue, "", pair, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
            }
        }
    }
}
