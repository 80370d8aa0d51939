import CKernel
public import GuestMemory
import Syscalls
public import SystemPackage

/// A simulated guest's memory: one region with a guard page on either side, handed out front to back.
///
/// One thread at a time. What a device may touch at the same time is what the test has told it of.
public final class MockGuestMemory: @unchecked Sendable {
    /// Where the region begins in the guest's physical address space.
    public static let start = GuestAddress(0x1000_0000)

    public let region: GuestRegion
    /// The address space as a device gets it.
    public let map: GuestMemoryMap
    /// Bytes handed out so far.
    private var handedOut = 0

    /// - Parameter size: bytes; rounded up to pages.
    public init(size: Int) throws(Errno) {
        let size = (size + 4095) & ~4095
        let file = try MemoryFile(name: "mock-guest", size: size)
        region = try GuestRegion(start: Self.start, keeping: file)
        map = GuestMemoryMap(regions: [region])!
    }

    /// The first address behind the region: nothing is there, not even in this process.
    public var end: GuestAddress { region.start + UInt64(region.size) }

    /// Bytes that ``allocate(_:alignment:)`` can still hand out.
    public var remaining: Int { region.size - handedOut }

    /// Hands out `count` bytes, whatever they hold. Traps when the memory is used up.
    public func allocate(_ count: Int, alignment: Int = 1) -> GuestAddress {
        let offset = (handedOut + alignment - 1) & ~(alignment - 1)
        precondition(count <= region.size - offset, "the mock guest has too little memory")
        handedOut = offset + count
        return region.start + UInt64(offset)
    }

    /// A point to go back to with ``release(to:)``.
    public struct Mark: Sendable { fileprivate let handedOut: Int }

    public var mark: Mark { Mark(handedOut: handedOut) }

    /// Takes back all that was handed out since.
    public func release(to mark: Mark) { handedOut = mark.handedOut }

    /// Writes bytes that lie inside the region.
    public func write(_ bytes: some Collection<UInt8>, at address: GuestAddress) {
        guard !bytes.isEmpty else { return }
        let target = map.translate(address, count: UInt64(bytes.count))!
        UnsafeMutableRawBufferPointer(start: target, count: bytes.count).copyBytes(from: bytes)
    }

    /// A copy of bytes that lie inside the region.
    public func read(at address: GuestAddress, count: Int) -> [UInt8] {
        guard count > 0 else { return [] }
        return Array(UnsafeRawBufferPointer(start: map.translate(address, count: UInt64(count))!, count: count))
    }

    /// Whether `count` bytes at `address` all hold `value`.
    public func holds(_ value: UInt8, at address: GuestAddress, count: Int) -> Bool {
        guard count > 0 else { return true }
        let bytes = UnsafeRawBufferPointer(start: map.translate(address, count: UInt64(count))!, count: count)
        return bytes.allSatisfy { $0 == value }
    }

    /// Whether just these bytes are at `address`.
    public func holds(_ bytes: ArraySlice<UInt8>, at address: GuestAddress) -> Bool {
        guard !bytes.isEmpty else { return true }
        let memory = map.translate(address, count: UInt64(bytes.count))!
        return bytes.withUnsafeBytes { memcmp($0.baseAddress!, memory, bytes.count) == 0 }
    }

    /// Fills bytes that lie inside the region.
    public func fill(_ value: UInt8, at address: GuestAddress, count: Int) {
        guard count > 0 else { return }
        map.translate(address, count: UInt64(count))!.initializeMemory(as: UInt8.self, repeating: value, count: count)
    }
}
