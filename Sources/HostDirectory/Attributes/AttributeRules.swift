import CKernel
import SystemPackage

/// What extended attributes of the client are called on the host (virtiofsd's `xattrmap`): the first rule that a name
/// fits decides; a name that none fits is refused.
public struct AttributeRules: Sendable, Equatable {
    struct Rule: Sendable, Equatable {
        enum Kind: String, Sendable {
            /// The host's name is the client's with something before it.
            case prefix
            /// Both have the same name.
            case ok
            /// The client gets EPERM, and does not see it in lists.
            case bad
            /// The client gets EOPNOTSUPP, and does not see it in lists.
            case unsupported
        }

        let kind: Kind
        /// Whether it is for names that the client asks for.
        let isForClient: Bool
        /// Whether it is for names that the host lists.
        let isForHost: Bool
        /// What a client's name begins with.
        let key: [UInt8]
        /// What a host's name begins with.
        let prepend: [UInt8]
    }

    /// Bytes of the longest name that the host can be asked for, and more than it takes (XATTR_NAME_MAX, 255).
    static let longestName = 511

    var rules: [Rule]

    /// Runs `body` with what the host calls the client's attribute `name`.
    ///
    /// - Throws: EPERM, EOPNOTSUPP, ERANGE where it gets too long, and what `body` does.
    func withHostName<Result>(
        _ name: UnsafePointer<CChar>, _ body: (UnsafePointer<CChar>) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        let bytes = UnsafeRawBufferPointer(start: name, count: strlen(name))
        guard let rule = rules.first(where: { $0.isForClient && bytes.starts(with: $0.key) }) else {
            throw .notPermitted
        }
        switch rule.kind {
        case .ok: return try body(name)
        case .bad: throw .notPermitted
        case .unsupported: throw .notSupported
        case .prefix: return try Self.withJoined(rule.prepend, bytes, body)
        }
    }

    /// The same as a copy; nothing where it is refused.
    func hostName(_ name: String) -> [CChar]? {
        do throws(Errno) {
            return try withHostName(name) { name throws(Errno) in
                Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
            }
        } catch {
            return nil
        }
    }

    private static func withJoined<Result>(
        _ first: [UInt8], _ second: UnsafeRawBufferPointer, _ body: (UnsafePointer<CChar>) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        guard first.count + second.count <= longestName else { throw Errno(rawValue: ERANGE) }
        let joined = (first + second).map { CChar(bitPattern: $0) } + [0]
        return try body(joined)
    }

    /// What the client calls the host's attribute `name`; nothing where it must not see it.
    func clientName<Name: RandomAccessCollection<UInt8>>(_ name: Name) -> Name.SubSequence? {
        guard let rule = rules.first(where: { $0.isForHost && name.starts(with: $0.prepend) }) else { return nil }
        switch rule.kind {
        case .ok: return name[...]
        case .bad, .unsupported: return nil
        case .prefix: return name.dropFirst(rule.prepend.count)
        }
    }

    /// The names of a list of the host's as the client is to see them, each with a zero behind it.
    func clientNames(_ list: some Sequence<UInt8>) -> [UInt8] {
        Array(list).split(separator: 0).compactMap { clientName($0) }.filter { !$0.isEmpty }.flatMap { $0 + [0] }
    }
}
