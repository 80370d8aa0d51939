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
        _ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, _ request: Request) throws(Errno) -> Int
    func symlink(
        _ parent: NodeID, _ name: FileName, target: FileName, _ request: Request) throws(Errno) -> fuse_entry_out
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
}
