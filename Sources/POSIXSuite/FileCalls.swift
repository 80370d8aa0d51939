public import CKernel
public import SystemPackage

/// The calls that a case makes on a folder; all paths begin there. Named after the system calls and failing like them.
///
/// ``SystemCalls`` are the kernel's. Whoever has a file system without a mount implements these, and can run all cases
/// that need nothing else.
public protocol FileCalls: Sendable {
    /// The folder, where the kernel serves it.
    var folder: Int32? { get }
    /// The same calls on a folder below.
    func entering(_ path: Path) throws(Errno) -> any FileCalls

    /// The same calls made by somebody else, with another umask.
    ///
    /// Only asked of calls that the kernel does not serve: there, a thread becomes that user.
    func becoming(_ user: User, umask: mode_t) throws(Errno) -> any FileCalls

    func open(_ path: Path, _ flags: Int32, _ mode: mode_t) throws(Errno) -> Int32
    func close(_ file: Int32)
    func pread(_ file: Int32, _ count: Int, _ offset: Int) throws(Errno) -> [UInt8]
    func pwrite(_ file: Int32, _ bytes: [UInt8], _ offset: Int) throws(Errno) -> Int
    func fsync(_ file: Int32) throws(Errno)
    func ftruncate(_ file: Int32, _ size: Int) throws(Errno)
    func fallocate(_ file: Int32, _ mode: Int32, _ offset: Int, _ length: Int) throws(Errno)
    func lseek(_ file: Int32, _ offset: Int, _ whence: Int32) throws(Errno) -> Int
    func copyFileRange(
        _ from: Int32, _ fromOffset: Int, _ to: Int32, _ toOffset: Int, _ count: Int
    ) throws(Errno) -> Int
    func fstat(_ file: Int32) throws(Errno) -> Status

    /// Of a symbolic link itself, if the path ends with one and `follow` is false.
    func stat(_ path: Path, follow: Bool) throws(Errno) -> Status
    func mkdir(_ path: Path, _ mode: mode_t) throws(Errno)
    func mknod(_ path: Path, _ mode: mode_t, _ major: UInt32, _ minor: UInt32) throws(Errno)
    func symlink(_ target: Path, _ path: Path) throws(Errno)
    func readlink(_ path: Path) throws(Errno) -> Path
    func link(_ path: Path, _ newPath: Path) throws(Errno)
    func unlink(_ path: Path) throws(Errno)
    func rmdir(_ path: Path) throws(Errno)
    /// With the flags of renameat2(2).
    func rename(_ path: Path, _ newPath: Path, _ flags: UInt32) throws(Errno)
    func truncate(_ path: Path, _ size: Int) throws(Errno)
    func access(_ path: Path, _ mode: Int32) throws(Errno)
    func chmod(_ path: Path, _ mode: mode_t) throws(Errno)
    /// Never follows a symbolic link at the path's end. Nothing leaves user or group as it is.
    func lchown(_ path: Path, _ user: uid_t?, _ group: gid_t?) throws(Errno)
    func utimens(_ path: Path, _ accessed: FileTime, _ modified: FileTime, follow: Bool) throws(Errno)
    /// All entries.
    func list(_ path: Path) throws(Errno) -> [FolderEntry]

    /// Extended attributes; never those of what a symbolic link at the path's end points to.
    func setxattr(_ path: Path, _ name: Path, _ value: [UInt8], _ flags: Int32) throws(Errno)
    func getxattr(_ path: Path, _ name: Path) throws(Errno) -> [UInt8]
    func listxattr(_ path: Path) throws(Errno) -> [Path]
    func removexattr(_ path: Path, _ name: Path) throws(Errno)
}
