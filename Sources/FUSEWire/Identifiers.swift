public import CKernel

/// A file as the two sides name it between LOOKUP and FORGET.
public struct NodeID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The root of the file system (`FUSE_ROOT_ID`); it is known without a LOOKUP and never forgotten.
    @inlinable
    public static var root: NodeID { NodeID(rawValue: UInt64(FUSE_ROOT_ID)) }
}

/// An open file or folder as the two sides name it between OPEN and RELEASE.
public struct FileHandle: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// A request as its reply and an INTERRUPT name it: `unique` of `fuse_in_header`.
public struct RequestID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }
}
