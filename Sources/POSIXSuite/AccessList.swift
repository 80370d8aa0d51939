/// A POSIX access control list (acl(5)), as the kernel writes it into an extended attribute: include/uapi/linux/
/// posix_acl_xattr.h.
struct AccessList: Equatable {
    enum Named: Equatable {
        case user(UInt32, UInt16)
        case group(UInt32, UInt16)
    }

    var user: UInt16
    var named: [Named]
    var group: UInt16
    var mask: UInt16?
    var other: UInt16

    private static let version: UInt32 = 2
    private static let nobody = UInt32.max
    /// ACL_USER_OBJ and so on, in the order in which the kernel wants them.
    private enum Tag { static let (userObject, user, groupObject, group, mask, other) = (1, 2, 4, 8, 16, 32) }

    init(user: UInt16, named: [Named], group: UInt16, mask: UInt16?, other: UInt16) {
        (self.user, self.named, self.group, self.mask, self.other) = (user, named, group, mask, other)
    }

    var encoded: [UInt8] {
        var bytes = Self.bytes(Self.version)
        func add(_ tag: Int, _ permissions: UInt16, _ id: UInt32 = Self.nobody) {
            bytes += Self.bytes(UInt16(tag)) + Self.bytes(permissions) + Self.bytes(id)
        }
        add(Tag.userObject, user)
        for case .user(let id, let permissions) in named { add(Tag.user, permissions, id) }
        add(Tag.groupObject, group)
        for case .group(let id, let permissions) in named { add(Tag.group, permissions, id) }
        if let mask { add(Tag.mask, mask) }
        add(Tag.other, other)
        return bytes
    }

    init(encoded bytes: [UInt8], file: String = #fileID, line: UInt = #line) throws {
        self.init(user: 0, named: [], group: 0, mask: nil, other: 0)
        guard bytes.count >= 4, (bytes.count - 4) % 8 == 0, Self.number(bytes, 0, 4) == Self.version else {
            throw CaseFailure("no access control list: \(bytes)", file, line)
        }
        for start in stride(from: 4, to: bytes.count, by: 8) {
            let permissions = UInt16(Self.number(bytes, start + 2, 2))
            let id = Self.number(bytes, start + 4, 4)
            switch Int(Self.number(bytes, start, 2)) {
            case Tag.userObject: user = permissions
            case Tag.user: named.append(.user(id, permissions))
            case Tag.groupObject: group = permissions
            case Tag.group: named.append(.group(id, permissions))
            case Tag.mask: mask = permissions
            case Tag.other: other = permissions
            default: throw CaseFailure("an unknown entry: \(bytes)", file, line)
            }
        }
    }

    private static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }

    private static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> UInt32 {
        bytes[start..<(start + count)].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
