public import Synchronization

/// The integers that driver and device share. Nothing else in the project touches a ring field.
///
/// Each is little-endian in memory (virtio 1.4, 1.4 "Structure Specifications") and native here. A load acquires and a
/// store releases: what the peer wrote before its store is visible after our load that sees it. That is the order that
/// "data before index" needs (virtio 1.4, 2.7.13.3 and 2.7.8.2). What it does not order is a store of ours followed by a
/// load of the peer's field: for that, see ``fullFence()``.
@safe public struct SharedUInt16: @unchecked Sendable {
    @usableFromInline let pointer: UnsafeMutablePointer<Atomic<UInt16>>

    /// - Parameter address: aligned to two bytes, valid as long as this value is used.
    @inlinable
    public init(at address: UnsafeMutableRawPointer) {
        unsafe pointer = unsafe address.assumingMemoryBound(to: Atomic<UInt16>.self)
    }

    @inlinable
    public func load() -> UInt16 { unsafe UInt16(littleEndian: pointer.pointee.load(ordering: .acquiring)) }

    @inlinable
    public func store(_ value: UInt16) { unsafe pointer.pointee.store(value.littleEndian, ordering: .releasing) }
}

/// See ``SharedUInt16``.
@safe public struct SharedUInt32: @unchecked Sendable {
    @usableFromInline let pointer: UnsafeMutablePointer<Atomic<UInt32>>

    /// - Parameter address: aligned to four bytes, valid as long as this value is used.
    @inlinable
    public init(at address: UnsafeMutableRawPointer) {
        unsafe pointer = unsafe address.assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    @inlinable
    public func load() -> UInt32 { unsafe UInt32(littleEndian: pointer.pointee.load(ordering: .acquiring)) }

    @inlinable
    public func store(_ value: UInt32) { unsafe pointer.pointee.store(value.littleEndian, ordering: .releasing) }
}

/// See ``SharedUInt16``.
@safe public struct SharedUInt64: @unchecked Sendable {
    @usableFromInline let pointer: UnsafeMutablePointer<Atomic<UInt64>>

    /// - Parameter address: aligned to eight bytes, valid as long as this value is used.
    @inlinable
    public init(at address: UnsafeMutableRawPointer) {
        unsafe pointer = unsafe address.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    @inlinable
    public func load() -> UInt64 { unsafe UInt64(littleEndian: pointer.pointee.load(ordering: .acquiring)) }

    @inlinable
    public func store(_ value: UInt64) { unsafe pointer.pointee.store(value.littleEndian, ordering: .releasing) }
}

extension SharedUInt64 {
    /// A little-endian number at an address of any alignment: byte by byte, each read once.
    @inlinable
    public static func loadUnaligned(at address: UnsafeMutableRawPointer) -> UInt64 {
        let bytes = unsafe address.assumingMemoryBound(to: Atomic<UInt8>.self)
        var value: UInt64 = 0
        for index in 0..<8 { unsafe value |= UInt64(bytes[index].load(ordering: .relaxed)) << UInt64(8 * index) }
        return value
    }
}

/// Orders every access before it against every access after it, a store of ours before a load of the peer's included.
///
/// Notification suppression is built on this: each side publishes its index, then reads whether the other wants to be
/// told; the other re-arms, then looks at the index again. Without a full fence in between on both sides, both can miss
/// the other's store, and a notification is lost.
@inlinable
public func fullFence() { atomicMemoryFence(ordering: .sequentiallyConsistent) }
