public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

/// Everything that changes names of files that exist.
extension HostDirectory {
    public func unlink(_ parent: NodeID, _ name: FileName, _ request: Request) throws(Errno) {
        try remove(parent, name, flags: 0)
    }

    public func rmdir(_ parent: NodeID, _ name: FileName, _ request: Request) throws(Errno) {
        try remove(parent, name, flags: AT_REMOVEDIR)
    }

    private func remove(_ parent: NodeID, _ name: FileName, flags: Int32) throws(Errno) {
        try withFolder(parent, name) { folder throws(Errno) in
            try refuseChange()
            let held = holdUnheld(EntryName(folder: parent, name), in: folder, losingName: true)
            defer { if let held { inodes.unpin(held) } }
            try folder.unlinkAt(name.pointer, flags: flags)
        }
    }

    /// The inode that a name means, pinned and held, if it is known and may not be held. The name is about to go away, and
    /// neither would find the file again without it nor a handle keep it.
    ///
    /// Where no descriptor is left, the name goes away nevertheless: if the file is open it is found through that, and if not
    /// it is stale, as if the host had taken the name away.
    ///
    /// - Parameter losingName: false if it gets another name in the same moment.
    private func holdUnheld(_ name: EntryName, in folder: FileDescriptor, losingName: Bool) -> InodeTable.Pin? {
        if let pin = holdNamed(name, in: folder, losingName: losingName) { return pin }
        guard inodes.evictedCount > 0 else { return nil }
        var status = CKernel.statx()
        do throws(Errno) {
            try folder.look(at: name.pointer, into: &status)
        } catch {
            return nil
        }
        return inodes.hold(InodeKey(status))
    }

    /// The same where the inode may be known by this name alone, which the file keeps losing even if it gets another.
    private func holdNamed(_ name: EntryName, in folder: FileDescriptor, losingName: Bool) -> InodeTable.Pin? {
        guard inodes.mayBeKnown(as: name) else { return nil }
        var status = CKernel.statx()
        do throws(Errno) {
            let held = try folder.hold(name.pointer)
            try held.descriptor.status(mask: InodeKey.mask, into: &status)
            return inodes.hold(held, status, losingName: losingName)
        } catch {
            return nil
        }
    }

    public func rename(
        _ parent: NodeID, _ name: FileName, to newParent: NodeID, _ newName: FileName, flags: UInt32,
        _ request: Request
    ) throws(Errno) {
        try withFolder(parent, name) { folder throws(Errno) in
            try withFolder(newParent, newName) { newFolder throws(Errno) in
                try refuseChange()
                let (old, new) = (EntryName(folder: parent, name), EntryName(folder: newParent, newName))
                let exchanges = flags & UInt32(RENAME_EXCHANGE) != 0
                let moved = holdNamed(old, in: folder, losingName: false)
                defer { if let moved { inodes.unpin(moved) } }
                let replaced = holdUnheld(new, in: newFolder, losingName: !exchanges)
                defer { if let replaced { inodes.unpin(replaced) } }
                try folder.renameAt(name.pointer, to: newFolder, newName.pointer, flags: flags)
                // What there was no descriptor for is known by its new name.
                if let moved { inodes.rename(moved, to: new) }
                if exchanges, let replaced { inodes.rename(replaced, to: old) }
            }
        }
    }

    public func link(
        _ node: NodeID, to newParent: NodeID, _ newName: FileName, _ request: Request
    ) throws(Errno) -> fuse_entry_out {
        try withFolder(newParent, newName) { folder throws(Errno) in
            try refuseChange()
            try withNode(node) { descriptor, _ throws(Errno) in
                try descriptors.link(descriptor, to: folder, newName.pointer)
            }
            return try entry(in: folder, EntryName(folder: newParent, newName), perhapsKnown: true)
        }
    }
}
