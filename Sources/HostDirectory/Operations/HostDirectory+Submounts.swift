import CKernel
import FUSEWire

/// Other file systems inside the share: mount points, and subvolumes that have a device number of their own.
///
/// A client that can is told where one begins (`FUSE_SUBMOUNTS`), and gives it a device number of its own, too. For any
/// other client, the mount of this machine's kernel among them, all of the share is one file system: then inode numbers of
/// the others are moved away from the share's, so that no program takes two files for one.
extension HostDirectory {
    /// A file's attributes on the host as the client sees them.
    func clientAttributes(_ host: fuse_attr, on device: UInt64) -> fuse_attr {
        var attributes = host
        attributes.ino = clientNumber(attributes.ino, on: device)
        attributes.uid = clientUser(attributes.uid)
        attributes.gid = clientGroup(attributes.gid)
        return attributes
    }

    /// An inode number of a device as the client sees it.
    func clientNumber(_ inode: UInt64, on device: UInt64) -> UInt64 {
        guard device != ownDevice, !announcesSubmounts else { return inode }
        // The upper 24 bits, which hardly any file system uses, are other ones for another device, and not zero.
        return inode ^ ((device &* 0x9E37_79B9_7F4A_7C15) >> 40 | 1) << 40
    }

    /// Whether another file system begins with a file in the folder `parent`.
    func isSubmount(_ status: borrowing statx, in parent: Inode) -> Bool {
        let key = InodeKey(status)
        return Int32(status.stx_mode) & S_IFMT == S_IFDIR
            && (key.device != parent.key.device || key.mount != parent.key.mount)
    }
}
