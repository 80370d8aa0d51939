/// Splits a line into commands and words, as a Unix shell does: quotes 'as is' and "with \ for \ and \"", $'with \n, \xff
/// and \377', a backslash before one character, ";" between commands, "#" before a comment.
struct CommandReader {
    /// What is wrong with a line.
    struct Mistake: Error, Equatable {
        let description: String
    }

    private var rest: ArraySlice<UInt8>
    private var commands: [[Word]] = [[]]
    private var word: Word?

    private init(_ line: [UInt8]) { rest = line[...] }

    static func commands(in line: [UInt8]) throws(Mistake) -> [[Word]] {
        var reader = CommandReader(line)
        try reader.readAll()
        return reader.commands.filter { !$0.isEmpty }
    }

    private mutating func readAll() throws(Mistake) {
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"): endWord()
            case UInt8(ascii: ";"), UInt8(ascii: "\n"):
                endWord()
                commands.append([])
            case UInt8(ascii: "#") where word == nil:
                rest = rest.drop { $0 != UInt8(ascii: "\n") }
            case UInt8(ascii: "'"): try readQuoted(until: byte) { $0 == UInt8(ascii: "'") }
            case UInt8(ascii: "\""): try readDoubleQuoted()
            case UInt8(ascii: "$") where rest.first == UInt8(ascii: "'"):
                rest.removeFirst()
                try readEscaped()
            case UInt8(ascii: "\\"):
                guard let next = rest.popFirst() else { throw Mistake(description: "a backslash at the end") }
                take(next, quoted: true)
            default: take(byte, quoted: false)
            }
        }
        endWord()
    }

    private mutating func take(_ byte: UInt8, quoted: Bool) {
        if word == nil { word = Word() }
        word!.append(byte, quoted: quoted)
    }

    private mutating func endWord() {
        guard let word else { return }
        commands[commands.count - 1].append(word)
        self.word = nil
    }

    private mutating func readQuoted(until quote: UInt8, _ isEnd: (UInt8) -> Bool) throws(Mistake) {
        if word == nil { word = Word() }
        while let byte = rest.popFirst() {
            if isEnd(byte) { return }
            take(byte, quoted: true)
        }
        throw Self.unclosed(quote)
    }

    private static func unclosed(_ quote: UInt8) -> Mistake {
        Mistake(description: "a \(Character(UnicodeScalar(quote))) without another")
    }

    private mutating func readDoubleQuoted() throws(Mistake) {
        if word == nil { word = Word() }
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return
            case UInt8(ascii: "\\") where [UInt8(ascii: "\""), UInt8(ascii: "\\")].contains(rest.first):
                take(rest.removeFirst(), quoted: true)
            default: take(byte, quoted: true)
            }
        }
        throw Self.unclosed(UInt8(ascii: "\""))
    }

    /// $'…', in which a backslash begins a name of a byte.
    private mutating func readEscaped() throws(Mistake) {
        if word == nil { word = Word() }
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "'"): return
            case UInt8(ascii: "\\"): take(try readEscape(), quoted: true)
            default: take(byte, quoted: true)
            }
        }
        throw Self.unclosed(UInt8(ascii: "'"))
    }

    private mutating func readEscape() throws(Mistake) -> UInt8 {
        guard let byte = rest.popFirst() else { throw Self.unclosed(UInt8(ascii: "'")) }
        switch byte {
        case UInt8(ascii: "n"): return UInt8(ascii: "\n")
        case UInt8(ascii: "t"): return UInt8(ascii: "\t")
        case UInt8(ascii: "r"): return UInt8(ascii: "\r")
        case UInt8(ascii: "e"): return 0x1B
        case UInt8(ascii: "x"): return try readNumber(radix: 16, digits: rest.prefix(2))
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            rest = [byte] + rest
            return try readNumber(radix: 8, digits: rest.prefix(3))
        default: return byte
        }
    }

    private mutating func readNumber(radix: Int, digits: ArraySlice<UInt8>) throws(Mistake) -> UInt8 {
        let valid = digits.prefix { UInt8(String(UnicodeScalar($0)), radix: radix) != nil }
        guard let number = UInt8(String(decoding: valid, as: UTF8.self), radix: radix), number != 0 else {
            throw Mistake(description: "a backslash that names no byte")
        }
        rest = rest.dropFirst(valid.count)
        return number
    }
}
