public import GuestMemory
public import Virtqueue

/// A descriptor as it lies in memory, right or wrong (virtio 1.4, 2.7.5).
public struct RawDescriptor: Equatable, Sendable {
    /// VIRTQ_DESC_F_NEXT.
    public static let next: UInt16 = 1
    /// VIRTQ_DESC_F_WRITE.
    public static let write: UInt16 = 2
    /// VIRTQ_DESC_F_INDIRECT.
    public static let indirect: UInt16 = 4

    public var address: UInt64
    public var length: UInt32
    public var flags: UInt16
    public var next: UInt16

    public init(address: UInt64, length: UInt32, flags: UInt16, next: UInt16) {
        self.address = address
        self.length = length
        self.flags = flags
        self.next = next
    }

    public init(_ buffer: GuestBuffer, flags: UInt16 = 0, next: UInt16 = 0) {
        self.init(address: buffer.address.rawValue, length: buffer.count, flags: flags, next: next)
    }

    /// The 16 bytes of an entry of an indirect table, little-endian.
    public var bytes: [UInt8] {
        let rest = UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48
        return [address, rest].flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
    }
}

/// Every field of a split virtqueue, to be read and written as a test likes. It shares no code with the queues that it
/// is to test, and checks nothing.
public struct RawSplitRing: @unchecked Sendable {
    public let size: UInt16
    private let descriptors: UnsafeMutableRawPointer
    private let available: UnsafeMutableRawPointer
    private let used: UnsafeMutableRawPointer

    /// The ring's three parts lie inside guest memory; it traps otherwise.
    public init(_ configuration: QueueConfiguration, memory: GuestMemoryMap) {
        size = configuration.size
        let count = UInt64(size)
        descriptors = memory.translate(configuration.descriptorArea, count: 16 * count)!
        available = memory.translate(configuration.driverArea, count: 6 + 2 * count)!
        used = memory.translate(configuration.deviceArea, count: 6 + 8 * count)!
    }

    public func descriptor(_ index: UInt16) -> RawDescriptor {
        let entry = descriptors + 16 * Int(index % size)
        let rest = SharedUInt64(at: entry + 8).load()
        return RawDescriptor(
            address: SharedUInt64(at: entry).load(), length: UInt32(truncatingIfNeeded: rest),
            flags: UInt16(truncatingIfNeeded: rest >> 32), next: UInt16(truncatingIfNeeded: rest >> 48))
    }

    public func setDescriptor(_ index: UInt16, _ descriptor: RawDescriptor) {
        let entry = descriptors + 16 * Int(index % size)
        SharedUInt64(at: entry).store(descriptor.address)
        SharedUInt64(at: entry + 8).store(
            UInt64(descriptor.length) | UInt64(descriptor.flags) << 32 | UInt64(descriptor.next) << 48)
    }

    // The available ring (virtio 1.4, 2.7.6).
    public var availableFlags: SharedUInt16 { SharedUInt16(at: available) }
    public var availableIndex: SharedUInt16 { SharedUInt16(at: available + 2) }
    /// - Parameter index: free-running.
    public func availableEntry(_ index: UInt16) -> SharedUInt16 {
        SharedUInt16(at: available + 4 + 2 * Int(index % size))
    }
    public var usedEvent: SharedUInt16 { SharedUInt16(at: available + 4 + 2 * Int(size)) }

    // The used ring (virtio 1.4, 2.7.8).
    public var usedFlags: SharedUInt16 { SharedUInt16(at: used) }
    public var usedIndex: SharedUInt16 { SharedUInt16(at: used + 2) }
    /// - Parameter index: free-running.
    public func usedEntry(_ index: UInt16) -> (id: SharedUInt32, length: SharedUInt32) {
        let entry = used + 4 + 8 * Int(index % size)
        return (SharedUInt32(at: entry), SharedUInt32(at: entry + 4))
    }
    public var availableEvent: SharedUInt16 { SharedUInt16(at: used + 4 + 8 * Int(size)) }

    /// Where the used ring is in this process, `flags` first.
    public var usedRing: UnsafeMutableRawPointer { used }
    /// Where the descriptor table is in this process.
    public var descriptorTable: UnsafeMutableRawPointer { descriptors }
}
