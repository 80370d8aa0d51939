import Testing

@testable import GuestShell

/// How lines become commands, and names become what can be written on a line.
struct CommandReaderTests {
    private func words(_ line: String) throws -> [[String]] {
        try CommandReader.commands(in: Array(line.utf8)).map { $0.map(\.text) }
    }

    @Test("Words, quotes, commands and comments")
    func words() throws {
        #expect(try words("ls -l  a\tb") == [["ls", "-l", "a", "b"]])
        #expect(try words("a;b ; c;;# d") == [["a"], ["b"], ["c"]])
        #expect(try words("cat 'a b' \"c'd\" e\\ f g#h") == [["cat", "a b", "c'd", "e f", "g#h"]])
        #expect(try words("x '' \"\" a''b") == [["x", "", "", "ab"]])
        #expect(try words(#"x "a\"b\\c\d" $'\x41\102\n\'' $a"#) == [["x", #"a"b\c\d"#, "AB\n'", "$a"]])
        #expect(try words("   # nothing") == [])
    }

    @Test("Bytes that are not UTF-8 are written as $'\\xff'")
    func bytes() throws {
        let line = Array("cat $'\\xff\\x0ax'".utf8)
        #expect(try CommandReader.commands(in: line)[0][1].bytes == [0xFF, 0x0A, 0x78])
    }

    @Test(
        "What is not closed is a mistake",
        arguments: ["'a", "\"a", "$'a", "a\\", "$'\\x'", "$'\\000'", "$'\\xg'", "$'a\\"])
    func mistakes(line: String) {
        #expect(throws: CommandReader.Mistake.self) { try CommandReader.commands(in: Array(line.utf8)) }
    }

    @Test("Every name can be written so that it comes back as it is, in characters that a terminal takes")
    func quoting() throws {
        var names: [[UInt8]] = [
            [0xFF], [0xC3, 0xA4], [0xC3], Array("a b".utf8), Array("it's".utf8), Array("-$x*".utf8),
        ]
        names += [Array("\u{202E}evil".utf8), Array("e\u{301}".utf8), Array("\u{1B}[31m".utf8), [0x5C, 0xFE, 0x27]]
        for byte in 1...255 as ClosedRange<UInt8> { names.append([0x61, byte, 0x62]) }
        for name in names {
            let quoted = ShownName.quoted(name)
            #expect(try CommandReader.commands(in: Array(quoted.utf8))[0].map(\.bytes) == [name], "\(quoted)")
            #expect(!quoted.unicodeScalars.contains { $0.value < 32 || $0.value == 0x7F || $0.value == 0x202E })
            #expect(!ShownName.shown(name).unicodeScalars.contains { $0.value < 32 || $0.value == 0x7F })
        }
        #expect(ShownName.shown(Array("größe €".utf8)) == "größe €")
    }

    @Test("Quoted patterns are none")
    func patterns() throws {
        let words = try CommandReader.commands(in: Array("a* 'a*' a\\* [ab] $'?' b".utf8))[0]
        #expect(words.map(\.isPattern) == [true, false, false, true, false, false])
    }
}
