import CKernel
import FUSEWire
public import SystemPackage
public import VirtioFSDriver

/// Extended attributes by path (fs/xattr.c, xattr_permission).
extension GuestProcess {
    /// The corresponding calls are getxattr(2), and lgetxattr(2) where `follows` is false.
    public func getxattr(
        _ path: GuestPath, _ name: EntryName, follows: Bool = true
    ) async throws(Errno) -> [UInt8] {
        let place = try await resolve(path, follows: follows)
        try await requireAttribute(name, of: place, isWriting: false)
        return try await client.getxattr(place.id, name, as: caller)
    }

    /// The corresponding calls are listxattr(2), and llistxattr(2) where `follows` is false.
    public func listxattr(_ path: GuestPath, follows: Bool = true) async throws(Errno) -> [EntryName] {
        let place = try await resolve(path, follows: follows)
        let names = try await client.listxattr(place.id, as: caller)
        return isPrivileged ? names : names.filter { !$0.bytes.starts(with: Array("trusted.".utf8)) }
    }

    /// The corresponding calls are setxattr(2), and lsetxattr(2) where `follows` is false; `flags` are its
    /// `XATTR_CREATE` and `XATTR_REPLACE`.
    public func setxattr(
        _ path: GuestPath, _ name: EntryName, _ value: [UInt8], flags: Int32 = 0, follows: Bool = true
    ) async throws(Errno) {
        guard flags & ~Int32(XATTR_CREATE | XATTR_REPLACE) == 0 else { throw .invalidArgument }
        guard value.count <= 1 << 16 else { throw .argListTooLong }
        let place = try await resolve(path, follows: follows)
        try await requireAttribute(name, of: place, isWriting: true)
        // An ACL that replaces the mode takes set-group-ID from who is not in the group (posix_acl_update_mode).
        let kills =
            name == EntryName(AccessList.attribute) && !isPrivileged && !caller.isMember(of: place.attributes.gid)
        try await client.setxattr(
            place.id, name, value, flags: UInt32(flags), killsSetGID: kills, as: caller)
    }

    /// The corresponding calls are removexattr(2), and lremovexattr(2) where `follows` is false.
    public func removexattr(_ path: GuestPath, _ name: EntryName, follows: Bool = true) async throws(Errno) {
        let place = try await resolve(path, follows: follows)
        try await requireAttribute(name, of: place, isWriting: true)
        try await client.removexattr(place.id, name, as: caller)
    }

    private func requireAttribute(_ name: EntryName, of place: Place, isWriting: Bool) async throws(Errno) {
        guard (1...255).contains(name.bytes.count) else { throw .outOfRange }
        switch String(decoding: name.bytes.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self) {
        case "user": try await requireUserAttribute(of: place, isWriting: isWriting)
        case "trusted" where !isPrivileged: throw isWriting ? .notPermitted : .noData
        case "security" where !isPrivileged && isWriting: throw .notPermitted
        case "system" where isWriting: try requireOwner(place.attributes)
        default: return
        }
    }

    /// User attributes are of files and folders only; in a sticky folder, only its owner's to write.
    private func requireUserAttribute(of place: Place, isWriting: Bool) async throws(Errno) {
        guard place.isFolder || place.attributes.isRegular else { throw isWriting ? .notPermitted : .noData }
        if isWriting && place.isFolder && place.attributes.mode & UInt32(S_ISVTX) != 0 {
            try requireOwner(place.attributes)
        }
        try await require(isWriting ? W_OK : R_OK, of: place)
    }
}
