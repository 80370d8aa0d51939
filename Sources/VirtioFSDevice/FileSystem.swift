public import CKernel
public import FUSEWire
public import SystemPackage

/// What a virtio-fs device serves: a FUSE file system, one method an operation.
///
/// Methods are called on the device's own threads, many at once. They throw what the client's program is to see as
/// `errno`. Arguments are checked for form only: a node or a handle may be one that was never given out (ESTALE, EBADF),
/// a name may hold a slash (EINVAL), an offset may be huge. Names and byte buffers are valid during the call.
///
/// Operations that a file system does not have throw ENOSYS, as the defaults do: a client asks for most of them once.
public protocol FileSystem: AnyObject, Sendable {
    /// Starts a session. The session before, if any, has ended.
    ///
    /// - Parameter offered: what the client and this device can do.
    /// - Returns: what of that the file system wants.
    func begin(offered: InitFlags) -> InitFlags

    /// Ends the session: all nodes but the root and all handles are gone.
    func end()

    func lookup(_ parent: NodeID, _ name: FileName, _ request: Request) throws(Errno) -> fuse_entry_out
    /// Takes back `count` lookups of a node. A wrong node or count is the client's mistake and harms nobody else.
    func forget(_ node: NodeID, count: UInt64)

    /// - Parameter handle: the open file that the client asks about, if it names one.
    func getattr(_ node: NodeID, _ handle: FileHandle?, _ request: Request) throws(Errno) -> fuse_attr_out
    func setattr(_ node: NodeID, _ change: fuse_setattr_in, _ request: Request) throws(Errno) -> fuse_attr_out
    func access(_ node: NodeID, mask: UInt32, _ request: Request) throws(Errno)
    func statfs(_ node: NodeID, _ request: Request) throws(Errno) -> fuse_kstatfs

    /// - Returns: bytes of `buffer` filled, without a terminator.
    func readlink(
        _ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> Int
    func symlink(
        _ parent: NodeID, _ name: FileName, target: FileName, _ request: Request
    ) throws(Errno) -> fuse_entry_out
    func mknod(
        _ parent: NodeID, _ name: FileName, _ arguments: fuse_mknod_in, _ request: Request
    ) throws(Errno) -> fuse_entry_out
    func mkdir(
        _ parent: NodeID, _ name: FileName, _ arguments: fuse_mkdir_in, _ request: Request
    ) throws(Errno) -> fuse_entry_out
    func unlink(_ parent: NodeID, _ name: FileName, _ request: Request) throws(Errno)
    func rmdir(_ parent: NodeID, _ name: FileName, _ request: Request) throws(Errno)
    /// RENAME, and RENAME2 with its flags (`RENAME_NOREPLACE` and so on, renameat2(2)).
    func rename(
        _ parent: NodeID, _ name: FileName, to newParent: NodeID, _ newName: FileName, flags: UInt32,
        _ request: Request) throws(Errno)
    func link(
        _ node: NodeID, to newParent: NodeID, _ newName: FileName, _ request: Request
    ) throws(Errno) -> fuse_entry_out

    func open(_ node: NodeID, _ arguments: fuse_open_in, _ request: Request) throws(Errno) -> fuse_open_out
    func create(
        _ parent: NodeID, _ name: FileName, _ arguments: fuse_create_in, _ request: Request
    ) throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out)
    /// Reads straight into the client's memory. Less than asked for means the end of the file.
    func read(
        _ node: NodeID, _ arguments: fuse_read_in, into segments: UnsafeBufferPointer<iovec>, _ request: Request
    ) throws(Errno) -> Int
    /// Writes straight from the client's memory: `arguments.size` bytes in all.
    func write(
        _ node: NodeID, _ arguments: fuse_write_in, from segments: UnsafeBufferPointer<iovec>, _ request: Request
    ) throws(Errno) -> Int
    func flush(_ node: NodeID, _ arguments: fuse_flush_in, _ request: Request) throws(Errno)
    func fsync(_ node: NodeID, _ arguments: fuse_fsync_in, _ request: Request) throws(Errno)
    func release(_ node: NodeID, _ arguments: fuse_release_in, _ request: Request) throws(Errno)

    func opendir(_ node: NodeID, _ arguments: fuse_open_in, _ request: Request) throws(Errno) -> fuse_open_out
    /// READDIR, and READDIRPLUS when `plus`: entries behind `arguments.offset`. None means the end. Of an entry that
    /// is returned by READDIRPLUS with a node, other than "." and "..", the client holds one lookup.
    func readdir(
        _ node: NodeID, _ arguments: fuse_read_in, plus: Bool, into writer: inout DirectoryEntryWriter,
        _ request: Request) throws(Errno)
    func fsyncdir(_ node: NodeID, _ arguments: fuse_fsync_in, _ request: Request) throws(Errno)
    func releasedir(_ node: NodeID, _ arguments: fuse_release_in, _ request: Request) throws(Errno)

    /// - Parameter killsSetGID: an access ACL is set by somebody who may not keep the set-group-ID bit
    ///   (`FUSE_SETXATTR_ACL_KILL_SGID`).
    func setxattr(
        _ node: NodeID, _ name: FileName, _ value: UnsafeRawBufferPointer, flags: UInt32, killsSetGID: Bool,
        _ request: Request) throws(Errno)
    /// - Returns: bytes of `buffer` filled; where that is empty, how many it would take.
    func getxattr(
        _ node: NodeID, _ name: FileName, into buffer: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> Int
    /// The names, each with a terminating zero; see ``getxattr(_:_:into:_:)``.
    func listxattr(
        _ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> Int
    func removexattr(_ node: NodeID, _ name: FileName, _ request: Request) throws(Errno)

    func fallocate(_ node: NodeID, _ arguments: fuse_fallocate_in, _ request: Request) throws(Errno)
    /// lseek(2), of which a client asks only what it can't know: `SEEK_DATA` and `SEEK_HOLE`.
    func lseek(_ node: NodeID, _ arguments: fuse_lseek_in, _ request: Request) throws(Errno) -> UInt64
    /// COPY_FILE_RANGE and COPY_FILE_RANGE_64: bytes copied.
    func copyFileRange(
        _ node: NodeID, _ arguments: fuse_copy_file_range_in, _ request: Request
    ) throws(Errno) -> UInt64
    /// Writes out everything of the file system that `node` is on.
    func syncfs(_ node: NodeID, _ request: Request) throws(Errno)
    /// Makes and opens a file without a name in the file system of the folder `parent` (`O_TMPFILE`).
    func tmpfile(
        _ parent: NodeID, _ arguments: fuse_create_in, _ request: Request
    ) throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out)
    /// - Parameter handle: the open file that the client asks about, if it names one.
    func statx(
        _ node: NodeID, _ handle: FileHandle?, _ arguments: fuse_statx_in, _ request: Request
    ) throws(Errno) -> fuse_statx_out
    /// - Parameters:
    ///   - input: what the client's ioctl(2) passes in, `arguments.in_size` bytes.
    ///   - output: room for what it passes out, `arguments.out_size` bytes.
    /// - Returns: what the client's ioctl(2) is to return, and bytes of `output` filled.
    func ioctl(
        _ node: NodeID, _ arguments: fuse_ioctl_in, _ input: UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> (result: Int32, count: Int)
    /// - Returns: which of `arguments.events` are there now (poll(2)).
    func poll(_ node: NodeID, _ arguments: fuse_poll_in, _ request: Request) throws(Errno) -> UInt32
    /// GETLK: the lock that stands in the way of `arguments.lk`, or `F_UNLCK` if none does.
    func getlk(_ node: NodeID, _ arguments: fuse_lk_in, _ request: Request) throws(Errno) -> fuse_file_lock
    /// SETLK, and SETLKW, which waits: a lock of `arguments.owner`, flock(2)'s with `FUSE_LK_FLOCK`.
    func setlk(_ node: NodeID, _ arguments: fuse_lk_in, waits: Bool, _ request: Request) throws(Errno)
}
