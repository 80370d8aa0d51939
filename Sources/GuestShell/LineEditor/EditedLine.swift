/// A line that is being written, and where the cursor is in it.
struct EditedLine: Equatable {
    private(set) var scalars: [UnicodeScalar] = []
    private(set) var cursor = 0

    init(_ text: String = "") {
        scalars = Array(text.unicodeScalars)
        cursor = scalars.count
    }

    var text: String { Self.text(scalars[...]) }
    var beforeCursor: String { Self.text(scalars[..<cursor]) }

    static func text(_ scalars: ArraySlice<UnicodeScalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    mutating func insert(_ text: String) {
        let added = Array(text.unicodeScalars)
        scalars.insert(contentsOf: added, at: cursor)
        cursor += added.count
    }

    /// Removes `count` characters before the cursor.
    mutating func removeBackwards(_ count: Int = 1) {
        let start = max(0, cursor - count)
        scalars.removeSubrange(start..<cursor)
        cursor = start
    }

    mutating func removeForwards() {
        if cursor < scalars.count { scalars.remove(at: cursor) }
    }

    mutating func removeToStart() { removeBackwards(cursor) }
    mutating func removeToEnd() { scalars.removeSubrange(cursor...) }
    mutating func removeWord() { removeBackwards(cursor - wordStart) }

    mutating func move(by count: Int) { cursor = min(max(0, cursor + count), scalars.count) }
    mutating func moveToStart() { cursor = 0 }
    mutating func moveToEnd() { cursor = scalars.count }
    mutating func moveWordLeft() { cursor = wordStart }

    mutating func moveWordRight() {
        while cursor < scalars.count, scalars[cursor] == " " { cursor += 1 }
        while cursor < scalars.count, scalars[cursor] != " " { cursor += 1 }
    }

    private var wordStart: Int {
        var start = cursor
        while start > 0, scalars[start - 1] == " " { start -= 1 }
        while start > 0, scalars[start - 1] != " " { start -= 1 }
        return start
    }
}
