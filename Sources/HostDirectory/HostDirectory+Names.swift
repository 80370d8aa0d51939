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
            try folder.unlinkAt(name.pointer, flags: flags)
        }
    }

    public func rename(
        _ parent: NodeID, _ name: FileName, to newParent: NodeID, _ newName: FileName, flags: UInt32,
        _ request: Request
    ) throws(Errno) {
        try withFolder(parent, name) { folder throws(Errno) in
            try withFolder(newParent, newName) { newFolder throws(Errno) in
                try refuseChange()
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
