/// A word of a command: its bytes, and which of them were quoted, so that they mean themselves to ``Glob``.
struct Word: Equatable {
    var bytes: [UInt8] = []
    var quoted: [Bool] = []

    mutating func append(_ byte: UInt8, quoted isQuoted: Bool) {
        bytes.append(byte)
        quoted.append(isQuoted)
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Whether it stands for the names that match it.
    var isPattern: Bool {
        zip(bytes, quoted).contains { !$1 && [UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "[")].contains($0) }
    }
}
