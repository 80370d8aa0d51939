import Testing

@testable import GuestShell

/// The parts of the line editor, without a terminal.
struct LineEditorTests {
    private func keys(_ bytes: [UInt8]) -> [Key] {
        var rest = bytes[...]
        let reader = KeyReader { rest.popFirst() }
        var keys: [Key] = []
        while case let key = reader.next(), key != .endOfInput { keys.append(key) }
        return keys
    }

    @Test("Bytes of a terminal become keys")
    func keys() {
        #expect(keys(Array("aä€".utf8)) == [.character("a"), .character("ä"), .character("€")])
        #expect(keys([0x1B, 0x5B, 0x41, 0x1B, 0x4F, 0x42, 0x1B, 0x5B, 0x33, 0x7E]) == [.up, .down, .delete])
        #expect(
            keys(Array("\u{1B}[1;5C\u{1B}[1;5D\u{1B}b\u{1B}f".utf8)) == [.wordRight, .wordLeft, .wordLeft, .wordRight])
        #expect(keys(Array("\u{1B}[H\u{1B}[4~\u{1B}[99~".utf8)) == [.home, .end])
        #expect(keys([0x01, 0x04, 0x09, 0x0D, 0x7F]) == [.control("a"), .control("d"), .tab, .enter, .backspace])
        #expect(keys([0xFF, 0xC3, 0x28, 0x62]) == [.character("b")])
        #expect(keys([0x1B, 0x5B]) == [])
    }

    @Test("A line is edited at its cursor")
    func editing() {
        var line = EditedLine("cat one two")
        line.removeWord()
        #expect(line.text == "cat one ")
        line.moveWordLeft()
        line.insert("gr")
        #expect(line.text == "cat grone " && line.beforeCursor == "cat gr")
        line.removeBackwards(2)
        line.removeForwards()
        #expect(line.text == "cat ne ")
        line.removeToStart()
        line.removeToEnd()
        #expect(line.text == "" && line.cursor == 0)
        line.move(by: -5)
        line.removeBackwards()
        line.removeForwards()
        #expect(line == EditedLine())
    }

    @Test("Older lines come back, and then what was being written")
    func history() {
        var history = History()
        for line in ["one", "two", "two", "  "] { history.add(line) }
        #expect(history.older(than: "dra") == "two")
        #expect(history.older(than: "two") == "one")
        #expect(history.older(than: "one") == nil)
        #expect(history.newer() == "two")
        #expect(history.newer() == "dra")
        #expect(history.newer() == nil)
    }

    @Test("Columns fill the width and no more")
    func columns() {
        let names = (0..<40).map { "name-\($0)" }
        let rows = Listing.columns(names, width: 60)
        #expect(rows.allSatisfy { $0.count <= 60 } && rows.count < 10)
        #expect(Set(rows.flatMap { $0.split(separator: " ").map(String.init) }) == Set(names))
        #expect(Listing.columns(["x", String(repeating: "y", count: 99)], width: 10).count == 2)
        #expect(Listing.human(1023) == "1023" && Listing.human(1025) == "1.1K" && Listing.human(10 << 20) == "10M")
    }
}
