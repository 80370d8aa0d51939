public import CKernel
public import FUSEWire
public import SystemPackage
public import VirtioFSDevice

// MARK: - Extended attributes

extension HookedFileSystem {
    public func setxattr(
        _ node: NodeID, _ name: FileName, _ value: UnsafeRawBufferPointer, flags: UInt32, killsSetGID: Bool,
        _ request: Request
    ) throws(Errno) {
        try hook(.setxattr, request)
        try files.setxattr(node, name, value, flags: flags, killsSetGID: killsSetGID, request)
    }
    public func getxattr(
        _ node: NodeID, _ name: FileName, into buffer: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> Int {
        try hook(.getxattr, request)
        return try files.getxattr(node, name, into: buffer, request)
    }
    public func listxattr(
        _ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> Int {
        try hook(.listxattr, request)
        return try files.listxattr(node, into: buffer, request)
    }
    public func removexattr(_ node: NodeID, _ name: FileName, _ request: Request) throws(Errno) {
        try hook(.removexattr, request)
        try files.removexattr(node, name, request)
    }
}

// MARK: - Space, control, locks

extension HookedFileSystem {
    public func fallocate(_ node: NodeID, _ arguments: fuse_fallocate_in, _ request: Request) throws(Errno) {
        try hook(.fallocate, request)
        try files.fallocate(node, arguments, request)
    }
    public func lseek(_ node: NodeID, _ arguments: fuse_lseek_in, _ request: Request) throws(Errno) -> UInt64 {
        try hook(.lseek, request)
        return try files.lseek(node, arguments, request)
    }
    public func copyFileRange(
        _ node: NodeID, _ arguments: fuse_copy_file_range_in, _ request: Request
    ) throws(Errno) -> UInt64 {
        try hook(.copyFileRange, request)
        return try files.copyFileRange(node, arguments, request)
    }
    public func syncfs(_ node: NodeID, _ request: Request) throws(Errno) {
        try hook(.syncfs, request)
        try files.syncfs(node, request)
    }
    public func tmpfile(
        _ parent: NodeID, _ arguments: fuse_create_in, _ request: Request
    ) throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out) {
        try hook(.tmpfile, request)
        return try files.tmpfile(parent, arguments, request)
    }
    public func statx(
        _ node: NodeID, _ handle: FileHandle?, _ arguments: fuse_statx_in, _ request: Request
    ) throws(Errno) -> fuse_statx_out {
        try hook(.statx, request)
        return try files.statx(node, handle, arguments, request)
    }
    public func ioctl(
        _ node: NodeID, _ arguments: fuse_ioctl_in, _ input: UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> (result: Int32, count: Int) {
        try hook(.ioctl, request)
        return try files.ioctl(node, arguments, input, output, request)
    }
    public func poll(_ node: NodeID, _ arguments: fuse_poll_in, _ request: Request) throws(Errno) -> UInt32 {
        try hook(.poll, request)
        return try files.poll(node, arguments, request)
    }
    public func getlk(_ node: NodeID, _ arguments: fuse_lk_in, _ request: Request) throws(Errno) -> fuse_file_lock {
        try hook(.getlk, request)
        return try files.getlk(node, arguments, request)
    }
    public func setlk(_ node: NodeID, _ arguments: fuse_lk_in, waits: Bool, _ request: Request) throws(Errno) {
        try hook(waits ? .setlkw : .setlk, request)
        try files.setlk(node, arguments, waits: waits, request)
    }
}
