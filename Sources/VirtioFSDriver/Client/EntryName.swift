/// A name as it goes over the wire: of a folder's entry, of an extended attribute, or a link's target. Any bytes but zero,
/// UTF-8 or not.
public struct EntryName: Hashable, Sendable {
    public let bytes: [UInt8]

    public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
    public init(_ text: String) { bytes = Array(text.utf8) }
}

extension EntryName: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { self.init(text) }
}

extension EntryName: CustomStringConvertible {
    /// What is not UTF-8 is shown as U+FFFD.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}
