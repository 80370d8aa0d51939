public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

/// Everything that makes a new file. The mode comes with the caller's umask taken off, and the device's threads have an
/// empty one; unless ACLs were negotiated, when the host has to decide between the umask and the folder's default ACL.
extension HostDirectory {
    public func mkdir(
        _ parent: NodeID, _ name: FileName, _ arguments: fuse_mkdir_in, _ request: Request
    ) throws(Errno) -> fuse_entry_out {
        try make(parent, name, umask: arguments.umask, request) { folder throws(Errno) in
            try folder.makeDirectoryAt(name.pointer, mode: arguments.mode & 0o7777)
        }
    }

    public func mknod(
        _ parent: NodeID, _ name: FileName, _ arguments: fuse_mknod_in, _ request: Request
    ) throws(Errno) -> fuse_entry_out {
        try make(parent, name, umask: arguments.umask, request) { folder throws(Errno) in
            try folder.makeNodeAt(
                name.pointer, mode: arguments.mode, device: DeviceNumber.decode(arguments.rdev))
        }
    }

    public func symlink(
        _ parent: NodeID, _ name: FileName, target: FileName, _ request: Request
    ) throws(Errno) -> fuse_entry_out {
        try make(parent, name, umask: 0, request) { folder throws(Errno) in
            try folder.makeSymbolicLinkAt(name.pointer, target: target.pointer)
        }
    }

    private func make(
        _ parent: NodeID, _ name: FileName, umask: UInt32, _ request: Request,
        _ body: (FileDescriptor) throws(Errno) -> Void
    ) throws(Errno) -> fuse_entry_out {
        try withFolder(parent, name) { folder throws(Errno) in
            try refuseChange()
            let name = EntryName(folder: parent, name)
            try refuseUnheld(name, in: folder)
            try asCaller(request, umask: umask) { () throws(Errno) in try body(folder) }
            return try entry(in: folder, name, perhapsKnown: false)
        }
    }

    /// Refuses to make what could not be held once it is there: a file so young can't be known by its name.
    ///
    /// - Throws: ENFILE, or EEXIST if there is something already, which may be used.
    private func refuseUnheld(_ name: EntryName, in folder: FileDescriptor) throws(Errno) {
        guard !inodes.hasRoomForOne() else { return }
        var status = CKernel.statx()
        do throws(Errno) {
            try folder.look(at: name.pointer, into: &status)
        } catch .noSuchFileOrDirectory {
            throw inodes.spent()
        }
        throw .fileExists
    }

    /// Runs `body`, which makes a file, as who asked for it.
    private func asCaller<Result>(
        _ request: Request, umask: UInt32, _ body: () throws(Errno) -> Result
    ) throws(Errno) -> Result {
        let group = try request.supplementaryGroup.map { group throws(Errno) in try hostGroup(group) }
        let (user, primary) = (try hostUser(request.uid), try hostGroup(request.gid))
        return try withIdentity(uid: user, gid: primary, group: group) {
            () throws(Errno) in try withUmask(mode_t(umask), when: appliesUmask, body)
        }
    }

    /// Makes a file and opens it. Without `O_EXCL`, a file that is there already is opened as OPEN does it, so that a
    /// symbolic link or a FIFO that got there meanwhile does no harm.
    public func create(
        _ parent: NodeID, _ name: FileName, _ arguments: fuse_create_in, _ request: Request
    ) throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out) {
        try withFolder(parent, name) { folder throws(Errno) in
            try refuseChange()
            // Whoever makes and removes the name in turn at the host can't keep this here for ever.
            for _ in 0..<16 {
                do throws(Errno) {
                    return try createNew(in: folder, EntryName(folder: parent, name), arguments, request)
                } catch {
                    guard error == .fileExists, arguments.flags & UInt32(O_EXCL) == 0 else { throw error }
                }
                do throws(Errno) {
                    return try openExisting(in: folder, EntryName(folder: parent, name), arguments, request)
                } catch {
                    guard error == .noSuchFileOrDirectory else { throw error }
                }
            }
            throw .resourceTemporarilyUnavailable
        }
    }

    private func createNew(
        in folder: FileDescriptor, _ name: EntryName, _ arguments: fuse_create_in, _ request: Request
    ) throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out) {
        try refuseUnheld(name, in: folder)
        let flags = openFlags(arguments.flags) & ~O_TRUNC
        let file = OwnedDescriptor(
            owning: try asCaller(request, umask: arguments.umask) { () throws(Errno) in
                try folder.openAt(
                    name.pointer, flags: flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode: arguments.mode & 0o7777)
            })
        return try opened(file, flags)
    }

    /// With `O_EXCL` the file never gets a name; without, LINK can give it one.
    public func tmpfile(
        _ parent: NodeID, _ arguments: fuse_create_in, _ request: Request
    ) throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out) {
        try withNode(parent) { folder, inode throws(Errno) in
            guard inode.isFolder else { throw .notDirectory }
            try refuseChange()
            let flags = openFlags(arguments.flags) & ~O_TRUNC
            let isNameless = Int32(bitPattern: arguments.flags) & O_EXCL
            let file = OwnedDescriptor(
                owning: try asCaller(request, umask: arguments.umask) { () throws(Errno) in
                    try folder.openAt(
                        ".", flags: flags | ck_o_tmpfile | isNameless, mode: arguments.mode & 0o7777)
                })
            return try opened(file, flags)
        }
    }

    /// A new file's node and handle. It is held by what is open: its name may mean another file by now.
    private func opened(
        _ file: consuming OwnedDescriptor, _ flags: Int32
    ) throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out) {
        var status = CKernel.statx()
        try file.descriptor.status(mask: InodeKey.mask, into: &status)
        let node = try inodes.adopt(try descriptors.hold(file.descriptor), status, as: nil)
        do throws(Errno) {
            return (entry(node, status, in: nil), try register(file, of: node, flags))
        } catch {
            forget(node, count: 1)
            throw error
        }
    }

    private func openExisting(
        in folder: FileDescriptor, _ name: EntryName, _ arguments: fuse_create_in, _ request: Request
    ) throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out) {
        let opening = fuse_open_in(flags: arguments.flags, open_flags: arguments.open_flags)
        let entry = try entry(in: folder, name, perhapsKnown: true)
        let node = NodeID(rawValue: entry.nodeid)
        do throws(Errno) {
            return (entry, try open(node, opening, request))
        } catch {
            forget(node, count: 1)
            throw error
        }
    }
}
