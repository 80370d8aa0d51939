import VirtioFSDriver

/// Names as they are shown: bytes that are not UTF-8 and what could play tricks on a terminal are written so that the shell
/// takes the name back.
enum ShownName {
    /// As it is, or as $'…' where it holds what can't be shown.
    static func shown(_ bytes: [UInt8]) -> String {
        guard let text = String(validating: bytes, as: UTF8.self), text.unicodeScalars.allSatisfy(isHarmless) else {
            return escaped(bytes)
        }
        return text
    }

    static func shown(_ name: EntryName) -> String { shown(name.bytes) }

    /// As it has to be written for the shell to take it for one word.
    static func quoted(_ bytes: [UInt8]) -> String {
        let shown = shown(bytes)
        guard !shown.hasPrefix("$'") else { return escaped(bytes) }
        let special = Set(" \t'\"\\;#*?[$".unicodeScalars)
        guard shown.isEmpty || shown.unicodeScalars.contains(where: special.contains) else { return shown }
        return "'" + shown.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    /// No control character, and none that changes the direction of what follows or is not seen.
    private static func isHarmless(_ scalar: UnicodeScalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: false
        default: true
        }
    }

    private static func escaped(_ bytes: [UInt8]) -> String {
        var text = "$'"
        var rest = bytes[...]
        while let first = rest.first {
            if let (scalar, count) = decodedScalar(rest), isHarmless(scalar), scalar != "'", scalar != "\\" {
                text.unicodeScalars.append(scalar)
                rest = rest.dropFirst(count)
                continue
            }
            rest.removeFirst()
            switch first {
            case UInt8(ascii: "\n"): text += "\\n"
            case UInt8(ascii: "\t"): text += "\\t"
            case UInt8(ascii: "'"), UInt8(ascii: "\\"): text += "\\" + String(UnicodeScalar(first))
            default: text += "\\x" + (first < 16 ? "0" : "") + String(first, radix: 16)
            }
        }
        return text + "'"
    }

    /// The character that some bytes begin with, and its length; nothing where they are not UTF-8.
    private static func decodedScalar(_ bytes: ArraySlice<UInt8>) -> (UnicodeScalar, count: Int)? {
        for count in 1...4 where count <= bytes.count {
            if let text = String(validating: bytes.prefix(count), as: UTF8.self), let scalar = text.unicodeScalars.first
            {
                return (scalar, count)
            }
        }
        return nil
    }
}
