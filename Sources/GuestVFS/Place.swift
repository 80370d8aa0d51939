public import CKernel
import FUSEWire
import VirtioFSDriver

/// Where a walk has come to: a node, and how it was reached, for there is no ".." on the wire. What a kernel has a dentry
/// for.
final class Place: Sendable {
    let node: HeldNode
    let name: EntryName
    /// Nothing above the root.
    let parent: Place?
    /// As they were when the walk came here.
    let attributes: fuse_attr

    init(_ node: HeldNode, _ name: EntryName, in parent: Place?, _ attributes: fuse_attr) {
        self.node = node
        self.name = name
        self.parent = parent
        self.attributes = attributes
    }

    var id: NodeID { node.id }
    var isFolder: Bool { attributes.isFolder }
    var isLink: Bool { attributes.fileType == UInt32(S_IFLNK) }

    /// Whether `other` is this place or above it.
    func isBelow(_ other: Place) -> Bool {
        var place: Place? = self
        while let here = place {
            if here.id == other.id { return true }
            place = here.parent
        }
        return false
    }

    /// From the root.
    var path: GuestPath {
        var names: [EntryName] = []
        var place = self
        while let parent = place.parent {
            names.append(place.name)
            place = parent
        }
        return names.reversed().reduce(GuestPath("/")) { $0.appending($1) }
    }
}

extension fuse_attr {
    /// `S_IFREG` and so on.
    public var fileType: UInt32 { mode & UInt32(S_IFMT) }
    public var isFolder: Bool { fileType == UInt32(S_IFDIR) }
    public var isRegular: Bool { fileType == UInt32(S_IFREG) }
}
