import CKernel

/// A POSIX access ACL, as the extended attribute `system.posix_acl_access` holds it (linux/posix_acl_xattr.h).
struct AccessList {
    private struct Entry {
        var tag: UInt16
        var permissions: UInt16
        var id: UInt32
    }

    static let attribute = "system.posix_acl_access"

    /// linux/posix_acl.h.
    private enum Tag {
        static let owner: UInt16 = 0x01
        static let user: UInt16 = 0x02
        static let owningGroup: UInt16 = 0x04
        static let group: UInt16 = 0x08
        static let mask: UInt16 = 0x10
        static let other: UInt16 = 0x20
    }

    private let entries: [Entry]

    /// Nothing for what is no ACL of version 2.
    init?(_ value: [UInt8]) {
        guard value.count >= 4, (value.count - 4) % 8 == 0 else { return nil }
        entries =
            value.withUnsafeBytes { bytes -> [Entry]? in
                guard bytes.loadUnaligned(as: UInt32.self) == 2 else { return nil }
                return stride(from: 4, to: bytes.count, by: 8).map { offset in
                    Entry(
                        tag: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self),
                        permissions: bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self),
                        id: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
                }
            } ?? []
        if entries.isEmpty { return nil }
    }

    /// Whether somebody who is not the owner may do what `mask` says (acl(5), "Access check algorithm"; fs/posix_acl.c,
    /// posix_acl_permission).
    ///
    /// - Parameters:
    ///   - owningGroup: the file's.
    ///   - isMember: whether the caller is in a group.
    func permits(_ mask: UInt16, uid: UInt32, owningGroup: UInt32, isMember: (UInt32) -> Bool) -> Bool {
        let limit = entries.first { $0.tag == Tag.mask }?.permissions ?? 7
        if let user = entries.first(where: { $0.tag == Tag.user && $0.id == uid }) {
            return user.permissions & limit & mask == mask
        }
        let groups = entries.filter { entry in
            switch entry.tag {
            case Tag.owningGroup: isMember(owningGroup)
            case Tag.group: isMember(entry.id)
            default: false
            }
        }
        if !groups.isEmpty {
            return groups.contains { $0.permissions & mask == mask } && limit & mask == mask
        }
        return entries.contains { $0.tag == Tag.other && $0.permissions & mask == mask }
    }
}
