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
            let held = holdUnheld(name, in: folder, parent)
            defer { if let held { inodes.unpin(held) } }
            try folder.unlinkAt(name.pointer, flags: flags)
        }
    }

    /// The inode that a name means, pinned and held, if it is known and was not held. The name is about to go away, and
    /// neither would find the file again without it nor a handle keep it.
    private func holdUnheld(_ name: FileName, in folder: FileDescriptor, _ parent: NodeID) -> InodeTable.Pin? {
        if let pin = holdNamed(name, in: folder, parent) { return pin }
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
    private func holdNamed(_ name: FileName, in folder: FileDescriptor, _ parent: NodeID) -> InodeTable.Pin? {
        let entry = EntryName(folder: parent, pointer: name.pointer, count: name.count)
        guard inodes.mayBeKnown(as: entry) else { return nil }
        var status = CKernel.statx()
        do throws(Errno) {
            let held = try folder.hold(name.pointer)
            try held.descriptor.status(mask: InodeKey.mask, into: &status)
            return inodes.hold(held, status)
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
                let held = holdNamed(name, in: folder, parent)
                defer { if let held { inodes.unpin(held) } }
                let replaced = holdUnheld(newName, in: newFolder, newParent)
                defer { if let replaced { inodes.unpin(replaced) } }
                try folder.renameAt(name.pointer, to: newFolder, newName.pointer, flags: flags)
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
            return try entry(in: folder, newName.pointer, perhapsKnown: true)
        }
    }
}
