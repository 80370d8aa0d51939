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
            let held = holdEvicted(name, in: folder)
            defer { if let held { inodes.unpin(held) } }
            try folder.unlinkAt(name.pointer, flags: flags)
        }
    }

    /// The inode that a name means, pinned and held, if it is known and evicted. The name is about to go away, and a handle
    /// would not keep the file.
    private func holdEvicted(_ name: FileName, in folder: FileDescriptor) -> InodeTable.Pin? {
        guard inodes.evictedCount > 0 else { return nil }
        var status = CKernel.statx()
        do throws(Errno) {
            try folder.statusAt(
                name.pointer, flags: AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, mask: InodeKey.mask, into: &status)
        } catch {
            return nil
        }
        return inodes.hold(InodeKey(status))
    }

    public func rename(
        _ parent: NodeID, _ name: FileName, to newParent: NodeID, _ newName: FileName, flags: UInt32,
        _ request: Request
    ) throws(Errno) {
        try withFolder(parent, name) { folder throws(Errno) in
            try withFolder(newParent, newName) { newFolder throws(Errno) in
                try refuseChange()
                let held = holdEvicted(newName, in: newFolder)
                defer { if let held { inodes.unpin(held) } }
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
