public import CKernel
public import FUSEWire
public import SystemPackage
public import VirtioFSDevice

/// A host folder, with a hook in front of every operation that is answered: it may stall, throw, or look.
public final class HookedFileSystem<Files: FileSystem>: FileSystem {
    public typealias Hook = @Sendable (Opcode, Request) throws(Errno) -> Void

    public let files: Files
    let hook: Hook

    public init(_ files: Files, hook: @escaping Hook) {
        self.files = files
        self.hook = hook
    }

    public func begin(offered: InitFlags) -> InitFlags { files.begin(offered: offered) }
    public func end() { files.end() }
    public func forget(_ node: NodeID, count: UInt64) { files.forget(node, count: count) }

    public func lookup(_ parent: NodeID, _ name: FileName, _ request: Request) throws(Errno) -> fuse_entry_out {
        try hook(.lookup, request)
        return try files.lookup(parent, name, request)
    }
    public func getattr(_ node: NodeID, _ handle: FileHandle?, _ request: Request) throws(Errno) -> fuse_attr_out {
        try hook(.getattr, request)
        return try files.getattr(node, handle, request)
    }
    public func setattr(_ node: NodeID, _ change: fuse_setattr_in, _ request: Request) throws(Errno) -> fuse_attr_out {
        try hook(.setattr, request)
        return try files.setattr(node, change, request)
    }
    public func access(_ node: NodeID, mask: UInt32, _ request: Request) throws(Errno) {
        try hook(.access, request)
        try files.access(node, mask: mask, request)
    }
    public func statfs(_ node: NodeID, _ request: Request) throws(Errno) -> fuse_kstatfs {
        try hook(.statfs, request)
        return try files.statfs(node, request)
    }
    public func readlink(_ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, _ request: Request) throws(Errno)
        -> Int
    {
        try hook(.readlink, request)
        return try files.readlink(node, into: buffer, request)
    }
    public func symlink(
        _ parent: NodeID, _ name: FileName, target: FileName, _ request: Request
    ) throws(Errno) -> fuse_entry_out {
        try hook(.symlink, request)
        return try files.symlink(parent, name, target: target, request)
    }
    public func mknod(
        _ parent: NodeID, _ name: FileName, _ arguments: fuse_mknod_in, _ request: Request
    ) throws(Errno) -> fuse_entry_out {
        try hook(.mknod, request)
        return try files.mknod(parent, name, arguments, request)
    }
    public func mkdir(
        _ parent: NodeID, _ name: FileName, _ arguments: fuse_mkdir_in, _ request: Request
    ) throws(Errno) -> fuse_entry_out {
        try hook(.mkdir, request)
        return try files.mkdir(parent, name, arguments, request)
    }
    public func unlink(_ parent: NodeID, _ name: FileName, _ request: Request) throws(Errno) {
        try hook(.unlink, request)
        try files.unlink(parent, name, request)
    }
    public func rmdir(_ parent: NodeID, _ name: FileName, _ request: Request) throws(Errno) {
        try hook(.rmdir, request)
        try files.rmdir(parent, name, request)
    }
    public func rename(
        _ parent: NodeID, _ name: FileName, to newParent: NodeID, _ newName: FileName, flags: UInt32,
        _ request: Request
    ) throws(Errno) {
        try hook(.rename, request)
        try files.rename(parent, name, to: newParent, newName, flags: flags, request)
    }
    public func link(
        _ node: NodeID, to newParent: NodeID, _ newName: FileName, _ request: Request
    ) throws(Errno) -> fuse_entry_out {
        try hook(.link, request)
        return try files.link(node, to: newParent, newName, request)
    }
}

// MARK: - Open files

extension HookedFileSystem {
    public func open(_ node: NodeID, _ arguments: fuse_open_in, _ request: Request) throws(Errno) -> fuse_open_out {
        try hook(.open, request)
        return try files.open(node, arguments, request)
    }
    public func create(
        _ parent: NodeID, _ name: FileName, _ arguments: fuse_create_in, _ request: Request
    ) throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out) {
        try hook(.create, request)
        return try files.create(parent, name, arguments, request)
    }
    public func read(
        _ node: NodeID, _ arguments: fuse_read_in, into segments: UnsafeBufferPointer<iovec>, _ request: Request
    ) throws(Errno) -> Int {
        try hook(.read, request)
        return try files.read(node, arguments, into: segments, request)
    }
    public func write(
        _ node: NodeID, _ arguments: fuse_write_in, from segments: UnsafeBufferPointer<iovec>, _ request: Request
    ) throws(Errno) -> Int {
        try hook(.write, request)
        return try files.write(node, arguments, from: segments, request)
    }
    public func flush(_ node: NodeID, _ arguments: fuse_flush_in, _ request: Request) throws(Errno) {
        try hook(.flush, request)
        try files.flush(node, arguments, request)
    }
    public func fsync(_ node: NodeID, _ arguments: fuse_fsync_in, _ request: Request) throws(Errno) {
        try hook(.fsync, request)
        try files.fsync(node, arguments, request)
    }
    public func release(_ node: NodeID, _ arguments: fuse_release_in, _ request: Request) throws(Errno) {
        try hook(.release, request)
        try files.release(node, arguments, request)
    }
    public func opendir(_ node: NodeID, _ arguments: fuse_open_in, _ request: Request) throws(Errno) -> fuse_open_out {
        try hook(.opendir, request)
        return try files.opendir(node, arguments, request)
    }
    public func readdir(
        _ node: NodeID, _ arguments: fuse_read_in, plus: Bool, into writer: inout DirectoryEntryWriter,
        _ request: Request
    ) throws(Errno) {
        try hook(plus ? .readdirplus : .readdir, request)
        try files.readdir(node, arguments, plus: plus, into: &writer, request)
    }
    public func fsyncdir(_ node: NodeID, _ arguments: fuse_fsync_in, _ request: Request) throws(Errno) {
        try hook(.fsyncdir, request)
        try files.fsyncdir(node, arguments, request)
    }
    public func releasedir(_ node: NodeID, _ arguments: fuse_release_in, _ request: Request) throws(Errno) {
        try hook(.releasedir, request)
        try files.releasedir(node, arguments, request)
    }
}
