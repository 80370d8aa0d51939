/// The lines that were entered, and which of them is looked at.
struct History {
    private var lines: [String] = []
    private var index = 0
    /// What was being written before older lines were looked at.
    private var draft = ""
    /// Lines that are kept.
    private static let capacity = 1000

    mutating func add(_ line: String) {
        if !line.allSatisfy(\.isWhitespace) && lines.last != line { lines.append(line) }
        if lines.count > Self.capacity { lines.removeFirst() }
        index = lines.count
    }

    /// The line before; nothing where there is none.
    mutating func older(than current: String) -> String? {
        guard index > 0 else { return nil }
        if index == lines.count { draft = current }
        index -= 1
        return lines[index]
    }

    /// The line after, at last what was being written.
    mutating func newer() -> String? {
        guard index < lines.count else { return nil }
        index += 1
        return index == lines.count ? draft : lines[index]
    }
}
