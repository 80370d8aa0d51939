/// A path as the kernel takes it: bytes, not necessarily text, and nothing tidied up (a trailing slash matters).
public struct Path: Sendable, Hashable, ExpressibleByStringInterpolation, CustomStringConvertible {
    /// Without the terminating zero.
    public let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }
    public init(_ text: String) { bytes = Array(text.utf8) }
    public init(stringLiteral text: String) { self.init(text) }

    public var description: String { String(decoding: bytes, as: UTF8.self) }

    public static func / (folder: Path, name: Path) -> Path { Path(folder.bytes + [UInt8(ascii: "/")] + name.bytes) }

    /// The same byte so often.
    static func repeating(_ character: Character, _ count: Int) -> Path {
        Path(String(repeating: character, count: count))
    }

    @discardableResult
    func withPointer<Result, Failure: Error>(
        _ body: (UnsafePointer<CChar>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let terminated = bytes.map { CChar(bitPattern: $0) } + [0]
        return try terminated.withUnsafeBufferPointer { buffer throws(Failure) in try body(buffer.baseAddress!) }
    }
}
