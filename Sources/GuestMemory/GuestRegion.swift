import Syscalls
public import SystemPackage

/// A stretch of guest memory that is backed by one mapping of ours.
public final class GuestRegion: Sendable {
    public let start: GuestAddress
    private let mapping: MemoryMapping

    /// Maps `size` bytes of `file` from `offset` on as guest memory at `start`.
    ///
    /// - Parameter isForeign: whether the file is a peer's, who may shrink it at any time
    ///   (``Syscalls/MemoryMapping/init(sharing:offset:size:survivesShrinking:)``).
    public init(
        start: GuestAddress, mapping file: FileDescriptor, offset: Int = 0, size: Int, isForeign: Bool = false
    ) throws(Errno) {
        self.start = start
        mapping = try MemoryMapping(sharing: file, offset: offset, size: size, survivesShrinking: isForeign)
    }

    /// Bytes.
    public var size: Int { mapping.size }

    /// Where the region is in this process.
    public var base: UnsafeMutableRawPointer { mapping.base }

    /// Where a byte of the region is in this process. Only for who laid the region out: no bounds are checked but by
    /// trapping.
    public func pointer(at address: GuestAddress) -> UnsafeMutableRawPointer {
        let offset = address.rawValue - start.rawValue
        precondition(offset < UInt64(size))
        return base + Int(offset)
    }
}
