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
                let found = try entry(in: folder, of: inode, name.pointer, perhapsKnown: lookupHabits.expectsKnown())
                if found.attr.mode & UInt32(S_IFMT) != UInt32(S_IFDIR) { listingHabits.lookedUp(in: parent) }
                return found
            } catch {
                guard error == .noSuchFileOrDirectory, !negativeValidity.isZero else { throw error }
                return negativeEntry
            }
        }
    }

    public func forget(_ node: NodeID, count: UInt64) { inodes.forget(node, count: count) }

    /// What a name in a folder means: finds or makes the node, and counts a lookup of it.
    ///
    /// To hold a file takes two system calls and a descriptor, to look at it takes one: so a file that may be known is
    /// looked at first, if such files were known lately.
    ///
    /// - Parameter parent: the folder, where another file system may begin with the name.
    func entry(
        in folder: FileDescriptor, of parent: Inode? = nil, _ name: UnsafePointer<CChar>, perhapsKnown: Bool
    ) throws(Errno) -> fuse_entry_out {
        var status = CKernel.statx()
        if perhapsKnown {
            let time = inodes.now
            try folder.statusAt(
                name, flags: AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, mask: InodeKey.mask, into: &status)
            let known = inodes.retain(InodeKey(status), knownSince: time)
            lookupHabits.note(isKnown: known != nil)
            if let known { return entry(known, status, in: parent) }
        }
        let held = OwnedDescriptor(owning: try folder.openAt(name, flags: O_PATH | O_NOFOLLOW))
        return try entry(holding: held, in: parent)
    }

    /// The same for a file that is held already.
    func entry(holding descriptor: consuming OwnedDescriptor, in parent: Inode? = nil) throws(Errno) -> fuse_entry_out {
        var status = CKernel.statx()
        try descriptor.descriptor.status(mask: InodeKey.mask, into: &status)
        return entry(try inodes.adopt(descriptor, status), status, in: parent)
    }

    /// The same for an entry of a listing: the host said which inode it is, so it is known whether it may be known.
    func entry(
        in folder: FileDescriptor, of parent: Inode, _ listed: FolderListing.Entry
    ) throws(Errno) -> fuse_entry_out {
        let key = InodeKey(inode: listed.inode, device: parent.key.device, mount: parent.key.mount)
        return try entry(in: folder, of: parent, listed.name, perhapsKnown: inodes.isHeld(key))
    }

    private func entry(_ node: NodeID, _ status: borrowing statx, in parent: Inode?) -> fuse_entry_out {
        var entry = fuse_entry_out()
        entry.nodeid = node.rawValue
        entry.entry_valid = entryValidity.seconds
        entry.entry_valid_nsec = entryValidity.nanoseconds
        entry.attr_valid = attributeValidity.seconds
        entry.attr_valid_nsec = attributeValidity.nanoseconds
        entry.attr = clientAttributes(status)
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
