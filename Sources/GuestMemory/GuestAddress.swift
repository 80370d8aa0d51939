/// An address in the guest's physical address space: what a descriptor's `addr` holds (virtio 1.4, 2.7.5).
public struct GuestAddress: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    public let rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    @inlinable
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    @inlinable
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// The address `count` bytes further on; wraps, and a wrapped address fails its translation.
    @inlinable
    public static func + (address: Self, count: UInt64) -> Self { Self(address.rawValue &+ count) }
}

extension GuestAddress: CustomStringConvertible {
    public var description: String { "0x" + String(rawValue, radix: 16) }
}
