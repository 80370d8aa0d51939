/// Reads lines from a terminal that can be edited while they are written, with older lines and completion.
final class LineEditor {
    /// What a line was ended with.
    enum Entered: Equatable {
        case line(String)
        /// Control-C: the line is thrown away.
        case given
        case endOfInput
    }

    private let terminal: Terminal
    private let given: () -> Void
    private let complete: (String) -> Completion
    private var history = History()
    private var line = EditedLine()
    private var prompt = ""

    /// - Parameters:
    ///   - given: called when a line is there, while Control-C is still a key and no signal.
    ///   - complete: what the text before the cursor can be completed to.
    init(_ terminal: Terminal, given: @escaping () -> Void, complete: @escaping (String) -> Completion) {
        self.terminal = terminal
        self.given = given
        self.complete = complete
    }

    func read(prompt: String) -> Entered {
        self.prompt = prompt
        line = EditedLine()
        let entered = terminal.withKeys {
            defer { given() }
            return edit()
        }
        terminal.show("\n")
        if case .line(let text) = entered { history.add(text) }
        return entered
    }

    private func edit() -> Entered {
        let keys = KeyReader(nextByte: terminal.nextByte)
        while true {
            draw()
            switch keys.next() {
            case .enter:
                line.moveToEnd()
                draw()
                return .line(line.text)
            case .control("c"):
                terminal.show("^C")
                return .given
            case .endOfInput: return .endOfInput
            case .control("d") where line.scalars.isEmpty: return .endOfInput
            case .tab: completeLine()
            case let key: change(key)
            }
        }
    }

    private func change(_ key: Key) {
        switch key {
        case .character(let scalar): line.insert(String(scalar))
        case .backspace: line.removeBackwards()
        case .delete, .control("d"): line.removeForwards()
        case .left, .control("b"): line.move(by: -1)
        case .right, .control("f"): line.move(by: 1)
        case .wordLeft: line.moveWordLeft()
        case .wordRight: line.moveWordRight()
        case .home, .control("a"): line.moveToStart()
        case .end, .control("e"): line.moveToEnd()
        case .control("u"): line.removeToStart()
        case .control("k"): line.removeToEnd()
        case .control("w"): line.removeWord()
        case .control("l"): terminal.show("\u{1B}[H\u{1B}[2J")
        case .up, .control("p"): history.older(than: line.text).map { line = EditedLine($0) }
        case .down, .control("n"): history.newer().map { line = EditedLine($0) }
        default: break
        }
    }

    private func completeLine() {
        let found = complete(line.beforeCursor)
        if !found.addition.isEmpty || found.removed > 0 {
            line.removeBackwards(found.removed)
            line.insert(found.addition)
        } else if !found.choices.isEmpty {
            terminal.show("\n")
            for row in Listing.columns(found.choices, width: terminal.width) { terminal.show(row + "\n") }
        }
    }

    /// Draws prompt and line anew, as much of it as the terminal has room for left of the cursor.
    private func draw() {
        let room = max(1, terminal.width - ShownWidth.of(prompt) - 1)
        let scalars = line.scalars
        var start = 0
        while ShownWidth.of(EditedLine.text(scalars[start..<line.cursor])) > room { start += 1 }
        var end = start
        var used = 0
        while end < scalars.count, used + ShownWidth.of(scalars[end]) <= room {
            used += ShownWidth.of(scalars[end])
            end += 1
        }
        let back = used - ShownWidth.of(EditedLine.text(scalars[start..<max(start, min(line.cursor, end))]))
        var text = "\r" + prompt + EditedLine.text(scalars[start..<end]) + "\u{1B}[K"
        if back > 0 { text += "\u{1B}[\(back)D" }
        terminal.show(text)
    }
}
