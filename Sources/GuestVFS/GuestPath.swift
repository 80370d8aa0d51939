public import VirtioFSDriver

/// A path as a program writes it: any bytes but zero. It is not made simpler: "a//b/" and "a/b" are different.
public struct GuestPath: Hashable, Sendable {
    public let bytes: [UInt8]

    /// PATH_MAX, with its terminating zero.
    static let largestSize = 4096

    public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
    public init(_ text: String) { bytes = Array(text.utf8) }

    public var isAbsolute: Bool { bytes.first == UInt8(ascii: "/") }
    /// Whether it can only mean a folder.
    public var hasTrailingSlash: Bool { bytes.last == UInt8(ascii: "/") }
    /// The names between the slashes.
    public var components: [EntryName] { bytes.split(separator: UInt8(ascii: "/")).map { EntryName($0) } }

    /// This path, and a name below it.
    public func appending(_ name: EntryName) -> GuestPath {
        GuestPath(bytes.isEmpty || hasTrailingSlash ? bytes + name.bytes : bytes + [UInt8(ascii: "/")] + name.bytes)
    }
}

extension GuestPath: ExpressibleByStringInterpolation {
    public init(stringLiteral text: String) { self.init(text) }
}

extension GuestPath: CustomStringConvertible {
    /// What is not UTF-8 is shown as U+FFFD.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}
