/// One option of `-o`: a name, and what follows "=" if there is one.
struct MountOption: Equatable {
    let name: String
    let value: String?

    /// - Parameter text: without escapes.
    init(_ text: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        name = parts.first.map(String.init) ?? ""
        value = parts.count > 1 ? String(parts[1]) : nil
    }

    init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }

    /// The options of a list with commas between them. A comma behind a backslash or in double quotes belongs to the
    /// value; so mount(8) and libfuse have it.
    static func list(_ text: String) -> [MountOption] {
        var words: [String] = [""]
        var isQuoted = false
        var rest = text[...]
        while let character = rest.popFirst() {
            switch character {
            case "\\" where !rest.isEmpty: words[words.count - 1].append(rest.removeFirst())
            case "," where !isQuoted: words.append("")
            default:
                if character == "\"" { isQuoted.toggle() }
                words[words.count - 1].append(character)
            }
        }
        return words.filter { !$0.isEmpty }.map { MountOption($0) }
    }

    /// As it was before any list: name, "=" and value.
    var text: String { value.map { "\(name)=\($0)" } ?? name }

    /// As one word of a list.
    var escaped: String { String(text.flatMap { "\\,".contains($0) ? ["\\", $0] : [$0] }) }

    /// The value without the quotes that were needed for its commas.
    var bareValue: String? {
        guard let value, value.count > 1, value.hasPrefix("\""), value.hasSuffix("\"") else { return value }
        return String(value.dropFirst().dropLast())
    }
}
