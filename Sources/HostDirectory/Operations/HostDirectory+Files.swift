public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

extension HostDirectory {
    public func open(
        _ node: NodeID, _ arguments: fuse_open_in, _ request: Request
    ) throws(Errno) -> fuse_open_out {
        let flags = openFlags(arguments.flags)
        if flags & (O_ACCMODE | O_TRUNC) != O_RDONLY { try refuseChange() }
        return try withNode(node) { descriptor, inode throws(Errno) in
            try inode.checkIsRegular()
            if flags & O_TRUNC != 0 { dropCapabilities(of: descriptor) }
            let killing = flags & O_TRUNC != 0 && arguments.open_flags & UInt32(FUSE_OPEN_KILL_SUIDGID) != 0
            let file = try withoutFSETID(killing, group: try hostGroup(request.gid)) { () throws(Errno) in
                try reopen(descriptor, flags, wanted: Int32(bitPattern: arguments.flags))
            }
            return try register(file, of: node, flags)
        }
    }

    /// Opens a file for reading, too, where the client collects writes. Who may only write gets what he asked for: then
    /// whole pages can be written, and a file that is truncated.
    ///
    /// A file that can only be appended to (`chattr +a`) is opened for that and nothing else; any other one not, because
    /// each WRITE says whether it appends.
    private func reopen(
        _ descriptor: FileDescriptor, _ flags: Int32, wanted: Int32
    ) throws(Errno) -> OwnedDescriptor {
        do throws(Errno) {
            return try descriptors.reopen(descriptor, flags: flags)
        } catch {
            var weaker = flags
            if error == .permissionDenied { weaker = flags & ~O_ACCMODE | wanted & O_ACCMODE }
            if error == .notPermitted { weaker |= wanted & O_APPEND }
            guard weaker != flags else { throw error }
            return try descriptors.reopen(descriptor, flags: weaker)
        }
    }

    /// Gives an open file its handle.
    func register(_ file: consuming OwnedDescriptor, of node: NodeID, _ flags: Int32) throws(Errno) -> fuse_open_out {
        let waits = flags & (O_DIRECT | O_DSYNC) != 0
        var reply = fuse_open_out()
        let writes = flags & O_ACCMODE != O_RDONLY
        reply.fh = try handles.insert(file, of: node, waits: waits, writes: writes).rawValue
        if options.cache == .always { reply.open_flags = UInt32(FOPEN_KEEP_CACHE) }
        // Its FLUSH could only drop locks: what was only read has no delayed error.
        if !writes, !options.locks { reply.open_flags |= UInt32(FOPEN_NOFLUSH) }
        return reply
    }

    /// What of a client's flags the host's open(2) is to see: none that make, follow or look for a file.
    ///
    /// Nor `O_APPEND`: fcntl(2) can take it away again, and what is written through a mapping does not append.
    ///
    /// A client that collects writes reads the rest of a page before it fills it
    /// (linux/Documentation/filesystems/fuse/fuse-io.rst).
    func openFlags(_ wanted: UInt32) -> Int32 {
        var kept = O_ACCMODE | O_TRUNC | O_SYNC | O_NOATIME
        if options.allowDirectIO { kept |= O_DIRECT }
        let flags = Int32(bitPattern: wanted) & kept
        guard isWriteback, flags & O_ACCMODE == O_WRONLY else { return flags }
        return flags & ~O_ACCMODE | O_RDWR
    }

    public func release(_ node: NodeID, _ arguments: fuse_release_in, _ request: Request) throws(Errno) {
        let hasLocks = try withHandle(arguments.fh, of: node, .file) { $0.hasLocks }
        try handles.remove(arguments.fh, of: node, .file)
        locks.endWaits(of: arguments.fh)
        if hasLocks { locks.drop(through: arguments.fh) }
        guard arguments.release_flags & UInt32(FUSE_RELEASE_FLOCK_UNLOCK) != 0 else { return }
        locks.drop(LockTable.Key(node: node, owner: arguments.lock_owner, kind: .whole))
    }

    public func flush(_ node: NodeID, _ arguments: fuse_flush_in, _ request: Request) throws(Errno) {
        try withHandle(arguments.fh, of: node, .file) { file throws(Errno) in
            // A process that closes a file loses its locks on it, whichever descriptor it took them through (fcntl(2)).
            locks.drop(LockTable.Key(node: node, owner: arguments.lock_owner, kind: .range))
            // What was only read has no delayed error.
            if file.payload.writes { try file.payload.descriptor.flush() }
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
