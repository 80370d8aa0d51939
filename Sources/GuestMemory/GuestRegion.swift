public import Syscalls
public import SystemPackage

/// A stretch of guest memory that is backed by one mapping of ours.
public final class GuestRegion: Sendable {
    public let start: GuestAddress
    private let mapping: MemoryMapping
    private let kept: MemoryFile?

    /// Maps all of `file` as guest memory at `start`, and keeps the file: a device in another process can be given it.
    public init(start: GuestAddress, keeping file: consuming MemoryFile) throws(Errno) {
        mapping = try MemoryMapping(sharing: file.descriptor, size: file.size)
        self.start = start
        kept = consume file
    }

    /// The file behind the region, from its start on, where the region keeps it.
    public var file: FileDescriptor? {
        switch kept {
        case .some(let file): file.descriptor
        case .none: nil
        }
    }

    /// Maps `size` bytes of `file` from `offset` on as guest memory at `start`.
    ///
    /// - Parameter isForeign: whether the file is a peer's, who may shrink it at any time
    ///   (``Syscalls/MemoryMapping/init(sharing:offset:size:survivesShrinking:)``).
    public init(
        start: GuestAddress, mapping file: FileDescriptor, offset: Int = 0, size: Int, isForeign: Bool = false
    ) throws(Errno) {
        mapping = try MemoryMapping(sharing: file, offset: offset, size: size, survivesShrinking: isForeign)
        self.start = start
        kept = nil
    }

    /// Bytes.
    public var size: Int { mapping.size }

    /// Where the region is in this process.
    public var base: UnsafeMutableRawPointer { unsafe mapping.base }

    /// Where a byte of the region is in this process. Only for who laid the region out: no bounds are checked but by
    /// trapping.
    public func pointer(at address: GuestAddress) -> UnsafeMutableRawPointer {
        let offset = address.rawValue - start.rawValue
        precondition(offset < UInt64(size))
        return unsafe base + Int(offset)
    }
}
