public import CKernel
public import FUSEWire
public import SystemPackage

/// Operations that a file system need not have: ENOSYS, which a client takes for an answer once and for all.
extension FileSystem {
    public func setxattr(
        _ node: NodeID, _ name: FileName, _ value: UnsafeRawBufferPointer, flags: UInt32, killsSetGID: Bool,
        _ request: Request
    ) throws(Errno) { throw .noFunction }

    public func getxattr(
        _ node: NodeID, _ name: FileName, into buffer: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> Int { throw .noFunction }

    public func listxattr(
        _ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> Int { throw .noFunction }

    public func removexattr(_ node: NodeID, _ name: FileName, _ request: Request) throws(Errno) { throw .noFunction }

    public func fallocate(_ node: NodeID, _ arguments: fuse_fallocate_in, _ request: Request) throws(Errno) {
        throw .noFunction
    }

    public func lseek(_ node: NodeID, _ arguments: fuse_lseek_in, _ request: Request) throws(Errno) -> UInt64 {
        throw .noFunction
    }

    public func copyFileRange(
        _ node: NodeID, _ arguments: fuse_copy_file_range_in, _ request: Request
    ) throws(Errno) -> UInt64 { throw .noFunction }

    public func syncfs(_ node: NodeID, _ request: Request) throws(Errno) { throw .noFunction }

    public func tmpfile(
        _ parent: NodeID, _ arguments: fuse_create_in, _ request: Request
    ) throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out) { throw .noFunction }

    public func statx(
        _ node: NodeID, _ handle: FileHandle?, _ arguments: fuse_statx_in, _ request: Request
    ) throws(Errno) -> fuse_statx_out { throw .noFunction }

    public func ioctl(
        _ node: NodeID, _ arguments: fuse_ioctl_in, _ input: UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> (result: Int32, count: Int) { throw .noFunction }

    public func poll(_ node: NodeID, _ arguments: fuse_poll_in, _ request: Request) throws(Errno) -> UInt32 {
        throw .noFunction
    }

    public func getlk(_ node: NodeID, _ arguments: fuse_lk_in, _ request: Request) throws(Errno) -> fuse_file_lock {
        throw .noFunction
    }

    public func setlk(_ node: NodeID, _ arguments: fuse_lk_in, waits: Bool, _ request: Request) throws(Errno) {
        throw .noFunction
    }
}
