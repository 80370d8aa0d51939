import CKernel
public import GuestMemory

/// A piece of guest memory that the driver hands to the device.
public struct GuestBuffer: Sendable, BitwiseCopyable {
    public var address: GuestAddress
    public var count: UInt32

    @inlinable
    public init(_ address: GuestAddress, count: UInt32) {
        self.address = address
        self.count = count
    }
}

/// Room for the descriptors of one chain outside the queue's own table (virtio 1.4, 2.7.5.3).
@safe public struct IndirectTable: @unchecked Sendable {
    public var address: GuestAddress
    public var pointer: UnsafeMutableRawPointer
    /// Descriptors, 16 bytes each.
    public var capacity: Int

    public init(address: GuestAddress, pointer: UnsafeMutableRawPointer, capacity: Int) {
        self.address = address
        unsafe self.pointer = unsafe pointer
        self.capacity = capacity
    }
}

/// The driver's half of a split virtqueue (virtio 1.4, 2.7.13 and 2.7.14). One thread at a time.
///
/// What the driver needs to know of a chain in flight it keeps privately: the descriptor table is shared, and a device
/// that scribbles on it must not lead the driver astray.
@safe public struct SplitDriverQueue: ~Copyable, @unchecked Sendable {
    /// The driver's private record of the descriptor of the same index.
    private struct Shadow {
        /// The next descriptor of the free list or of the chain.
        var next: UInt16 = 0
        /// For a head in flight: the caller's token; nothing otherwise.
        var token: UInt32 = noToken
        /// For a head in flight: descriptors of its chain, and bytes the device may write.
        var length: UInt16 = 0
        var writable: UInt32 = 0
    }

    private static let noToken = UInt32.max

    private let fields: SplitRingFields
    private let shadows: UnsafeMutableBufferPointer<Shadow>
    private var firstFree: UInt16 = 0
    /// Free descriptors.
    public private(set) var freeCount: UInt16
    private var nextAvailable: UInt16 = 0
    private var nextUsed: UInt16 = 0
    /// The index up to which the device was asked whether it wants a kick.
    private var announced: UInt16 = 0

    /// Takes a fresh ring, zeroed by the caller.
    public init(_ configuration: QueueConfiguration, memory: GuestMemoryMap) throws(RingError) {
        fields = try SplitRingFields(configuration, memory: memory)
        unsafe shadows = .allocate(capacity: Int(configuration.size))
        unsafe shadows.initialize(repeating: Shadow())
        for index in 0..<configuration.size { unsafe shadows[Int(index)].next = index &+ 1 }
        freeCount = configuration.size
    }

    deinit { unsafe shadows.deallocate() }

    public var size: UInt16 { fields.size }

    /// Makes a chain available: `readable` buffers, then `writable` ones. The device sees it at once; whether it wants
    /// a kick for it is ``needsKick()``.
    ///
    /// - Parameters:
    ///   - table: where the descriptors go when indirect descriptors were negotiated; the chain then takes one
    ///     descriptor of the queue, else one for each buffer.
    ///   - token: what ``popUsed()`` gives back; not `UInt32.max`.
    /// - Returns: false when too few descriptors are free; nothing has happened then.
    public mutating func add(
        readable: UnsafeBufferPointer<GuestBuffer>, writable: UnsafeBufferPointer<GuestBuffer>,
        table: IndirectTable?, token: UInt32
    ) -> Bool {
        precondition(token != Self.noToken)
        let count = readable.count + writable.count
        precondition(count > 0 && count <= Int(fields.size), "a chain has 1 to queue size buffers")
        let indirect = table.flatMap { fields.features.contains(.indirectDescriptors) ? $0 : nil }
        let taken = indirect == nil ? UInt16(count) : 1
        guard taken <= freeCount else { return false }

        let head = firstFree
        if let indirect {
            precondition(count <= indirect.capacity)
            unsafe writeIndirect(indirect, readable: readable, writable: writable, count: count)
            fields.setDescriptor(
                head,
                SplitDescriptor(
                    address: indirect.address, length: UInt32(16 * count), flags: UInt16(VRING_DESC_F_INDIRECT),
                    next: 0))
            firstFree = unsafe shadows[Int(head)].next
        } else {
            unsafe writeDirect(readable: readable, writable: writable, count: count)
        }
        freeCount -= taken
        var capacity: UInt32 = 0
        for index in writable.indices { unsafe capacity += writable[index].count }
        unsafe shadows[Int(head)].token = token
        unsafe shadows[Int(head)].length = taken
        unsafe shadows[Int(head)].writable = capacity

        fields.availableEntry(nextAvailable).store(head)
        nextAvailable &+= 1
        // Releases: a device that sees this index sees the entry, the descriptors and the buffers.
        fields.availableIndex.store(nextAvailable)
        return true
    }

    private func describe(_ buffer: GuestBuffer, writable: Bool, next: UInt16?) -> SplitDescriptor {
        let flags = (writable ? VRING_DESC_F_WRITE : 0) | (next == nil ? 0 : VRING_DESC_F_NEXT)
        return SplitDescriptor(
            address: buffer.address, length: buffer.count, flags: UInt16(flags), next: next ?? 0)
    }

    private func writeIndirect(
        _ table: IndirectTable, readable: UnsafeBufferPointer<GuestBuffer>,
        writable: UnsafeBufferPointer<GuestBuffer>, count: Int
    ) {
        for position in 0..<count {
            let isWritable = position >= readable.count
            let buffer = unsafe isWritable ? writable[position - readable.count] : readable[position]
            let next = position + 1 < count ? UInt16(position + 1) : nil
            unsafe describe(buffer, writable: isWritable, next: next).write(to: table.pointer + 16 * position)
        }
    }

    private mutating func writeDirect(
        readable: UnsafeBufferPointer<GuestBuffer>, writable: UnsafeBufferPointer<GuestBuffer>, count: Int
    ) {
        for position in 0..<count {
            let isWritable = position >= readable.count
            let buffer = unsafe isWritable ? writable[position - readable.count] : readable[position]
            let index = firstFree
            firstFree = unsafe shadows[Int(index)].next
            let next = position + 1 < count ? firstFree : nil
            fields.setDescriptor(index, describe(buffer, writable: isWritable, next: next))
        }
    }

    /// Whether the device wants to be told of what was added since this was last asked (virtio 1.4, 2.7.13.4.1).
    public mutating func needsKick() -> Bool {
        // Our index in add must be visible before we read the device's wish; the device fences between its wish and
        // our index (SplitAvailableReader.armKicks).
        fullFence()
        let before = announced
        announced = nextAvailable
        guard before != nextAvailable else { return false }
        guard fields.features.contains(.eventIndex) else {
            return fields.usedFlags.load() & UInt16(VRING_USED_F_NO_NOTIFY) == 0
        }
        return crossesEvent(event: fields.availableEvent.load(), new: nextAvailable, old: before)
    }

    /// Whether the device has returned anything that was not popped yet.
    public var hasUsed: Bool { fields.usedIndex.load() != nextUsed }

    /// Takes the next chain that the device has returned: its token, and how many bytes the device wrote into it.
    public mutating func popUsed() throws(RingError) -> (token: UInt32, written: UInt32)? {
        // Acquires: the entry and what the device wrote into the chain are visible after this.
        let index = fields.usedIndex.load()
        guard index != nextUsed else { return nil }
        guard index &- nextUsed <= fields.size else { throw .indexJump(from: nextUsed, to: index) }
        let entry = fields.usedEntry(nextUsed)
        let id = entry.id.load()
        let written = entry.length.load()
        guard id < UInt32(fields.size), unsafe shadows[Int(id)].token != Self.noToken else { throw .unknownUsedID(id) }
        guard unsafe written <= shadows[Int(id)].writable else { throw .writtenTooMuch(written) }
        let token = unsafe shadows[Int(id)].token
        nextUsed &+= 1
        free(head: UInt16(id))
        return (token, written)
    }

    private mutating func free(head: UInt16) {
        let length = unsafe shadows[Int(head)].length
        var last = head
        for _ in 1..<max(1, length) { last = unsafe shadows[Int(last)].next }
        unsafe shadows[Int(last)].next = firstFree
        unsafe shadows[Int(head)].token = Self.noToken
        firstFree = head
        freeCount += length
    }

    /// Asks the device for no interrupts. Only a hint (virtio 1.4, 2.7.7): with an event index it is enough not to move
    /// it.
    public func suppressInterrupts() {
        if !fields.features.contains(.eventIndex) { fields.availableFlags.store(UInt16(VRING_AVAIL_F_NO_INTERRUPT)) }
    }

    /// Asks the device for an interrupt when it returns the next chain. If one was returned already, no interrupt will
    /// come for it.
    ///
    /// - Parameter collecting: whether the interrupt is to come only when more than half of what is in flight now was
    ///   returned, which needs an event index.
    /// - Returns: whether nothing waits to be popped.
    public func armInterrupts(collecting: Bool = false) -> Bool {
        if fields.features.contains(.eventIndex) {
            let inFlight = nextAvailable &- nextUsed
            fields.usedEvent.store(collecting ? nextUsed &+ inFlight / 2 : nextUsed)
        } else {
            fields.availableFlags.store(0)
        }
        // Our wish above must be visible before we look at the index below; the device fences between its index and
        // our wish (SplitUsedWriter.needsInterrupt).
        fullFence()
        return !hasUsed
    }
}
