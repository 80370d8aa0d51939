public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

extension HostDirectory {
    public func lookup(
        _ parent: NodeID, _ name: FileName, _ request: Request
    ) throws(Errno) -> fuse_entry_out {
        guard name.isEntryName else { throw .invalidArgument }
        return try withNode(parent) { folder, inode throws(Errno) in
            do throws(Errno) {
                let name = EntryName(folder: parent, name)
                let found = try entry(in: folder, of: inode, name, isExpected: inodes.habits.expectsUse())
                if found.attr.mode & UInt32(S_IFMT) != UInt32(S_IFDIR) { listingHabits.lookedUp(in: parent) }
                return found
            } catch {
                guard error == .noSuchFileOrDirectory, !negativeValidity.isZero else { throw error }
                return negativeEntry
            }
        }
    }

    public func forget(_ node: NodeID, count: UInt64) { inodes.forget(node, count: count) }

    /// What a name in a folder means: finds or makes the node, and counts a lookup of it. A new file is held, because it is
    /// about to be used, if it can be.
    ///
    /// To hold a file takes two system calls and a descriptor, to look at it takes one: so a file that may be known is
    /// looked at first.
    func entry(
        in folder: FileDescriptor, _ name: EntryName, perhapsKnown: Bool
    ) throws(Errno) -> fuse_entry_out {
        if perhapsKnown {
            var status = CKernel.statx()
            let time = inodes.now
            try folder.look(at: name.pointer, into: &status)
            if let known = inodes.retain(InodeKey(status), knownSince: time) { return entry(known, status, in: nil) }
        }
        return try entry(holding: try folder.hold(name.pointer), as: name)
    }

    /// The same for who may never use the file: a new one is known by its name until then, if it can be.
    ///
    /// - Parameters:
    ///   - parent: the folder, where another file system may begin with the name.
    ///   - isExpected: whether it is new and has to be held, as far as can be told.
    ///   - mayHold: whether there is a descriptor for it.
    /// - Throws: ENFILE for a file that can't be known by its name, when there is none.
    private func entry(
        in folder: FileDescriptor, of parent: Inode, _ name: EntryName, isExpected: Bool, mayHold: Bool = true
    ) throws(Errno) -> fuse_entry_out {
        if !isExpected || !mayHold {
            var status = CKernel.statx()
            let time = inodes.now
            try folder.look(at: name.pointer, into: &status)
            if let node = inodes.see(status, as: name, knownSince: time) { return entry(node, status, in: parent) }
        }
        guard mayHold else { throw .tooManyOpenFilesInSystem }
        return try entry(holding: try folder.hold(name.pointer), as: name, in: parent)
    }

    /// The same for a file that is held already.
    private func entry(
        holding descriptor: consuming OwnedDescriptor, as name: EntryName, in parent: Inode? = nil
    ) throws(Errno) -> fuse_entry_out {
        var status = CKernel.statx()
        try descriptor.descriptor.status(mask: InodeKey.mask, into: &status)
        return entry(try inodes.adopt(descriptor, status, as: name), status, in: parent)
    }

    /// The same for an entry of a listing: the host said which inode it is, so it is known whether it is held already. A
    /// folder always is.
    ///
    /// - Throws: ENFILE when nodes are too many for this one to be held.
    func entry(
        in folder: FileDescriptor, of parent: Inode, _ node: NodeID, _ listed: FolderListing.Entry
    ) throws(Errno) -> fuse_entry_out {
        let key = InodeKey(inode: listed.inode, device: parent.key.device, mount: parent.key.mount)
        let name = EntryName(folder: node, pointer: listed.name, count: listed.nameCount)
        let isExpected = (listed.type == UInt8(DT_DIR) || inodes.habits.expectsUse()) && !inodes.isHeld(key)
        return try entry(
            in: folder, of: parent, name, isExpected: isExpected, mayHold: inodes.hasRoomForListing)
    }

    func entry(_ node: NodeID, _ status: borrowing CKernel.statx, in parent: Inode?) -> fuse_entry_out {
        var entry = fuse_entry_out()
        entry.nodeid = node.rawValue
        entry.entry_valid = entryValidity.seconds
        entry.entry_valid_nsec = entryValidity.nanoseconds
        entry.attr_valid = attributeValidity.seconds
        entry.attr_valid_nsec = attributeValidity.nanoseconds
        entry.attr = clientAttributes(fuse_attr(status), on: InodeKey(status).device)
        if announcesSubmounts, let parent, isSubmount(status, in: parent) {
            entry.attr.flags = UInt32(FUSE_ATTR_SUBMOUNT)
        }
        return entry
    }

    /// "There is no such name", which the client may remember for a while.
    private var negativeEntry: fuse_entry_out {
        var entry = fuse_entry_out()
        entry.entry_valid = negativeValidity.seconds
        entry.entry_valid_nsec = negativeValidity.nanoseconds
        return entry
    }
}

extension FileDescriptor {
    /// What a name in this folder means, without following a symbolic link or mounting anything.
    func look(at name: UnsafePointer<CChar>, into status: inout statx) throws(Errno) {
        try statusAt(name, flags: AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, mask: InodeKey.mask, into: &status)
    }

    /// Holds what a name in this folder means, with `O_PATH`.
    func hold(_ name: UnsafePointer<CChar>) throws(Errno) -> OwnedDescriptor {
        OwnedDescriptor(owning: try openAt(name, flags: O_PATH | O_NOFOLLOW))
    }
}
