public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

extension HostDirectory {
    public func open(
        _ node: NodeID, _ arguments: fuse_open_in, _ request: Request
    ) throws(Errno) -> fuse_open_out { try open(node, arguments) }

    func open(_ node: NodeID, _ arguments: fuse_open_in) throws(Errno) -> fuse_open_out {
        let flags = openFlags(arguments.flags)
        if flags & (O_ACCMODE | O_TRUNC) != O_RDONLY { try refuseChange() }
        return try withNode(node) { descriptor, inode throws(Errno) in
            try inode.checkIsRegular()
            let killing = flags & O_TRUNC != 0 && arguments.open_flags & UInt32(FUSE_OPEN_KILL_SUIDGID) != 0
            let file = try withoutFSETID(killing) { () throws(Errno) in
                try reopen(descriptor, flags, wanted: arguments.flags)
            }
            return try register(file, of: node, flags)
        }
    }

    /// Opens a file for reading, too, where the client collects writes. Who may only write gets what he asked for: then
    /// whole pages can be written, and a file that is truncated.
    private func reopen(
        _ descriptor: FileDescriptor, _ flags: Int32, wanted: UInt32
    ) throws(Errno) -> OwnedDescriptor {
        do throws(Errno) {
            return try descriptors.reopen(descriptor, flags: flags)
        } catch {
            let isWriteOnly = Int32(bitPattern: wanted) & O_ACCMODE == O_WRONLY && flags & O_ACCMODE == O_RDWR
            guard error == .permissionDenied, isWriteOnly else { throw error }
            return try descriptors.reopen(descriptor, flags: flags & ~O_ACCMODE | O_WRONLY)
        }
    }

    /// Gives an open file its handle.
    func register(_ file: consuming OwnedDescriptor, of node: NodeID, _ flags: Int32) throws(Errno) -> fuse_open_out {
        let waits = flags & (O_DIRECT | O_DSYNC) != 0
        var reply = fuse_open_out()
        reply.fh = try handles.insert(file, of: node, waits: waits).rawValue
        if options.cache == .always { reply.open_flags = UInt32(FOPEN_KEEP_CACHE) }
        return reply
    }

    /// What of a client's flags the host's open(2) is to see: none that make, follow or look for a file.
    ///
    /// A client that collects writes reads the rest of a page before it fills it, and knows itself where the end of the
    /// file is (linux/Documentation/filesystems/fuse/fuse-io.rst).
    func openFlags(_ wanted: UInt32) -> Int32 {
        var kept = O_ACCMODE | O_APPEND | O_TRUNC | O_SYNC | O_NOATIME
        if options.allowDirectIO { kept |= O_DIRECT }
        var flags = Int32(bitPattern: wanted) & kept
        guard isWriteback else { return flags }
        if flags & O_ACCMODE == O_WRONLY { flags = flags & ~O_ACCMODE | O_RDWR }
        return flags & ~O_APPEND
    }

    public func release(_ node: NodeID, _ arguments: fuse_release_in, _ request: Request) throws(Errno) {
        try handles.remove(arguments.fh, of: node, .file)
        locks.endWaits(of: arguments.fh)
        guard arguments.release_flags & UInt32(FUSE_RELEASE_FLOCK_UNLOCK) != 0 else { return }
        locks.drop(LockTable.Key(node: node, owner: arguments.lock_owner, kind: .whole))
    }

    public func flush(_ node: NodeID, _ arguments: fuse_flush_in, _ request: Request) throws(Errno) {
        try withHandle(arguments.fh, of: node, .file) { file throws(Errno) in
            // A process that closes a file loses its locks on it, whichever descriptor it took them through (fcntl(2)).
            locks.drop(LockTable.Key(node: node, owner: arguments.lock_owner, kind: .range))
            try file.payload.descriptor.flush()
        }
    }

    public func fsync(_ node: NodeID, _ arguments: fuse_fsync_in, _ request: Request) throws(Errno) {
        try synchronize(node, arguments, .file, request)
    }

    public func fsyncdir(_ node: NodeID, _ arguments: fuse_fsync_in, _ request: Request) throws(Errno) {
        try synchronize(node, arguments, .folder, request)
    }

    private func synchronize(
        _ node: NodeID, _ arguments: fuse_fsync_in, _ kind: OpenFile.Kind, _ request: Request
    ) throws(Errno) {
        try withHandle(arguments.fh, of: node, kind) { file throws(Errno) in
            try request.mayBlock()
            let dataOnly = arguments.fsync_flags & UInt32(FUSE_FSYNC_FDATASYNC) != 0
            try file.payload.descriptor.synchronize(dataOnly: dataOnly)
        }
    }
}
