import CKernel
import GuestVFS

/// What chmod(1) is told: a number in octal, or words as "u+x,go-w".
struct ModeChange {
    private enum Form {
        case number(UInt32)
        case clauses([Clause])
    }

    private struct Clause {
        /// The bits of those who are meant: 0o4700, 0o2070 and 0o0007, 0o7777 for all.
        var who: UInt32
        var operation: Character
        var permissions: String
    }

    private let form: Form

    init(_ text: String) throws(ShellError) {
        if text.first?.isNumber == true {
            form = .number(try Self.octal(text))
        } else {
            var clauses: [Clause] = []
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                clauses += try Self.clauses(part)
            }
            form = .clauses(clauses)
        }
    }

    static func octal(_ text: String) throws(ShellError) -> UInt32 {
        guard let mode = UInt32(text, radix: 8), mode <= 0o7777 else { throw wrong(text) }
        return mode
    }

    private static func wrong(_ text: String) -> ShellError { ShellError("'\(text)' is no mode", status: 2) }

    private static func clauses(_ part: Substring) throws(ShellError) -> [Clause] {
        var rest = part
        var who: UInt32 = 0
        while let letter = rest.first,
            let bits = ["u": 0o4700, "g": 0o2070, "o": 0o0007, "a": 0o6777][letter] as UInt32?
        {
            who |= bits
            rest.removeFirst()
        }
        var found: [Clause] = []
        while let operation = rest.popFirst() {
            let permissions = rest.prefix { !"+-=".contains($0) }
            guard "+-=".contains(operation), permissions.allSatisfy("rwxXst".contains) else {
                throw wrong(String(part))
            }
            rest = rest.dropFirst(permissions.count)
            found.append(
                Clause(who: who == 0 ? 0o6777 : who, operation: operation, permissions: String(permissions)))
        }
        guard !found.isEmpty else { throw wrong(String(part)) }
        return found
    }

    /// The mode that a file gets which has `attributes`.
    func applied(to attributes: fuse_attr) -> UInt32 {
        switch form {
        case .number(let mode): return mode
        case .clauses(let clauses):
            return clauses.reduce(attributes.mode & 0o7777) { apply($1, to: $0, isFolder: attributes.isFolder) }
        }
    }

    private func apply(_ clause: Clause, to mode: UInt32, isFolder: Bool) -> UInt32 {
        var bits: UInt32 = 0
        for letter in clause.permissions {
            switch letter {
            case "r": bits |= 0o444 & clause.who
            case "w": bits |= 0o222 & clause.who
            case "x": bits |= 0o111 & clause.who
            case "X": bits |= isFolder || mode & 0o111 != 0 ? 0o111 & clause.who : 0
            case "s": bits |= 0o6000 & clause.who
            default: bits |= UInt32(S_ISVTX)
            }
        }
        switch clause.operation {
        case "+": return mode | bits
        case "-": return mode & ~bits
        // Of a folder, "=" leaves the set-ID bits alone, as GNU chmod does.
        default: return mode & ~(clause.who & (isFolder ? 0o777 : 0o6777)) | bits
        }
    }
}
