import CKernel
import FUSEWire
import SystemPackage
import VirtioFSDriver

/// Who may do what, as fs/namei.c and fs/attr.c have it.
extension GuestProcess {
    /// EACCES unless the caller may do what `mask` says (`R_OK`, `W_OK`, `X_OK`).
    func require(_ mask: Int32, of place: Place) async throws(Errno) {
        try await require(mask, of: place.id, place.attributes)
    }

    func require(_ mask: Int32, of node: NodeID, _ attributes: fuse_attr) async throws(Errno) {
        guard try await permits(mask, node, attributes) else { throw .permissionDenied }
    }

    /// fs/namei.c, generic_permission.
    private func permits(_ mask: Int32, _ node: NodeID, _ attributes: fuse_attr) async throws(Errno) -> Bool {
        let wanted = UInt32(mask)
        if isPrivileged {
            return attributes.isFolder || mask & X_OK == 0 || attributes.mode & 0o111 != 0
        }
        if attributes.uid == caller.uid { return attributes.mode >> 6 & wanted == wanted }
        if let list = try await accessList(of: node, attributes) {
            return list.permits(
                UInt16(wanted), uid: caller.uid, owningGroup: attributes.gid, isMember: caller.isMember)
        }
        let shift: UInt32 = caller.isMember(of: attributes.gid) ? 3 : 0
        return attributes.mode >> shift & wanted == wanted
    }

    /// With an ACL, the mode's group bits are its mask: none set means that it can't grant anything.
    private func accessList(of node: NodeID, _ attributes: fuse_attr) async throws(Errno) -> AccessList? {
        guard client.negotiated.contains(.posixACL), attributes.mode & 0o070 != 0,
            attributes.fileType != UInt32(S_IFLNK)
        else { return nil }
        do throws(Errno) {
            return AccessList(try await client.getxattr(node, EntryName(AccessList.attribute), as: caller))
        } catch {
            guard [.noData, .notSupportedOnSocket, .noFunction, Errno(rawValue: EOPNOTSUPP)].contains(error) else {
                throw error
            }
            return nil
        }
    }

    /// EPERM unless the caller owns the file.
    func requireOwner(_ attributes: fuse_attr) throws(Errno) {
        guard isPrivileged || attributes.uid == caller.uid else { throw .notPermitted }
    }

    /// May something be made in a folder (may_create)?
    func requireCreation(in folder: Place) async throws(Errno) {
        try await require(W_OK | X_OK, of: folder)
    }

    /// May an entry be taken out of a folder (may_delete)?
    func requireRemoval(of entry: Place, from folder: Place) async throws(Errno) {
        try await require(W_OK | X_OK, of: folder)
        let isSticky = folder.attributes.mode & UInt32(S_ISVTX) != 0
        let isTheirs = [entry.attributes.uid, folder.attributes.uid].contains(caller.uid)
        guard !isSticky || isTheirs || isPrivileged else { throw .notPermitted }
    }
}
