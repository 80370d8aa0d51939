import CKernel
public import GuestMemory

/// The driver's half of a packed virtqueue (virtio 1.4, 2.8.21 and 2.8.22). One thread at a time.
///
/// What the driver needs to know of a chain in flight it keeps privately: the ring is shared, and a device that scribbles
/// on it must not lead the driver astray.
@safe public struct PackedDriverQueue: ~Copyable, @unchecked Sendable {
    /// The driver's private record of a buffer ID.
    private struct Shadow {
        /// The next free ID.
        var next: UInt16
        /// In flight: the caller's token; nothing otherwise.
        var token: UInt32 = noToken
        /// In flight: descriptors of the ring, and bytes the device may write.
        var length: UInt16 = 0
        var writable: UInt32 = 0
    }

    private static let noToken = UInt32.max

    private let fields: PackedRingFields
    private let shadows: UnsafeMutableBufferPointer<Shadow>
    private var firstFreeID: UInt16 = 0
    /// Free descriptors.
    public private(set) var freeCount: UInt16
    private var nextAvailable = PackedPosition.start
    private var nextUsed = PackedPosition.start
    /// Descriptors passed since the device was asked whether it wants a kick; a lap is as good as several.
    private var unannounced: UInt16 = 0

    /// Takes a fresh ring, zeroed by the caller.
    public init(_ configuration: QueueConfiguration, memory: GuestMemoryMap) throws(RingError) {
        fields = try PackedRingFields(configuration, memory: memory)
        unsafe shadows = .allocate(capacity: Int(fields.size))
        for index in unsafe shadows.indices {
            unsafe shadows.initializeElement(at: index, to: Shadow(next: UInt16(index + 1)))
        }
        freeCount = fields.size
    }

    deinit { unsafe shadows.deallocate() }

    public var size: UInt16 { fields.size }

    /// Makes a chain available. See ``SplitDriverQueue/add(readable:writable:table:token:)``.
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

        let id = unsafe takeID(token: token, length: taken, writable: writable)
        if let indirect {
            precondition(count <= indirect.capacity)
            unsafe writeIndirect(indirect, readable: readable, writable: writable, id: id)
        } else {
            unsafe writeDirect(readable: readable, writable: writable, id: id)
        }
        nextAvailable.advance(by: taken, size: fields.size)
        unannounced += min(fields.size - unannounced, taken)
        freeCount -= taken
        return true
    }

    private mutating func takeID(
        token: UInt32, length: UInt16, writable: UnsafeBufferPointer<GuestBuffer>
    ) -> UInt16 {
        let id = firstFreeID
        firstFreeID = unsafe shadows[Int(id)].next
        var capacity: UInt32 = 0
        for index in writable.indices { unsafe capacity += writable[index].count }
        unsafe shadows[Int(id)].token = token
        unsafe shadows[Int(id)].length = length
        unsafe shadows[Int(id)].writable = capacity
        return id
    }

    private func writeDirect(
        readable: UnsafeBufferPointer<GuestBuffer>, writable: UnsafeBufferPointer<GuestBuffer>, id: UInt16
    ) {
        let count = readable.count + writable.count
        var position = nextAvailable
        var headFlags: UInt16 = 0
        for element in 0..<count {
            let isWritable = element >= readable.count
            let buffer = unsafe isWritable ? writable[element - readable.count] : readable[element]
            let flags = (isWritable ? VRING_DESC_F_WRITE : 0) | (element + 1 < count ? VRING_DESC_F_NEXT : 0)
            let owned = UInt16(flags) | position.availableFlags
            unsafe PackedDescriptor(address: buffer.address, length: buffer.count, id: id, flags: owned)
                .writeBody(to: fields.pointer(position))
            if element == 0 { headFlags = owned } else { fields.flags(position).store(owned) }
            position.advance(by: 1, size: fields.size)
        }
        publish(headFlags)
    }

    private func writeIndirect(
        _ table: IndirectTable, readable: UnsafeBufferPointer<GuestBuffer>,
        writable: UnsafeBufferPointer<GuestBuffer>, id: UInt16
    ) {
        let count = readable.count + writable.count
        for element in 0..<count {
            let isWritable = element >= readable.count
            let buffer = unsafe isWritable ? writable[element - readable.count] : readable[element]
            let entry = unsafe table.pointer + 16 * element
            unsafe PackedDescriptor(address: buffer.address, length: buffer.count, id: 0, flags: 0).writeBody(to: entry)
            // No flag but WRITE in a table (virtio 1.4, 2.8.19).
            unsafe SharedUInt16(at: entry + 14).store(isWritable ? UInt16(VRING_DESC_F_WRITE) : 0)
        }
        unsafe PackedDescriptor(address: table.address, length: UInt32(16 * count), id: id, flags: 0)
            .writeBody(to: fields.pointer(nextAvailable))
        publish(UInt16(VRING_DESC_F_INDIRECT) | nextAvailable.availableFlags)
    }

    /// Writes the flags of a chain's first descriptor, after all else of it (virtio 1.4, 2.8.21.1).
    private func publish(_ headFlags: UInt16) {
        // Releases: a device that sees these flags sees all descriptors of the chain, its table, and its buffers.
        fields.flags(nextAvailable).store(headFlags)
    }

    /// Whether the device wants to be told of what was added since this was last asked (virtio 1.4, 2.8.21.2).
    public mutating func needsKick() -> Bool {
        // Our flags in add must be visible before we read the device's wish; the device fences between its wish and
        // our flags (PackedAvailableReader.armKicks).
        fullFence()
        let count = unannounced
        unannounced = 0
        guard count > 0 else { return false }
        return fields.deviceEvent.wants(
            count, before: nextAvailable, size: fields.size, hasEventIndex: fields.hasEventIndex)
    }

    /// Whether the device has returned anything that was not popped yet.
    public var hasUsed: Bool {
        // Acquires: the rest of the descriptor and what the device wrote into the chain are visible after this.
        fields.flags(nextUsed).load() & PackedDescriptor.ownership == nextUsed.usedFlags
    }

    /// Takes the next chain that the device has returned: its token, and how many bytes the device wrote into it.
    public mutating func popUsed() throws(RingError) -> (token: UInt32, written: UInt32)? {
        guard hasUsed else { return nil }
        let used = unsafe PackedDescriptor(readingFrom: fields.pointer(nextUsed))
        guard used.id < fields.size, unsafe shadows[Int(used.id)].token != Self.noToken else {
            throw .unknownUsedID(UInt32(used.id))
        }
        let shadow = unsafe shadows[Int(used.id)]
        // Without WRITE nothing was written, and the length means nothing (virtio 1.4, 2.8.4).
        let written = used.isWritable ? used.length : 0
        guard written <= shadow.writable else { throw .writtenTooMuch(written) }
        unsafe shadows[Int(used.id)] = Shadow(next: firstFreeID)
        firstFreeID = used.id
        freeCount += shadow.length
        nextUsed.advance(by: shadow.length, size: fields.size)
        return (shadow.token, written)
    }

    /// Asks the device for no interrupts. Only a hint (virtio 1.4, 2.8.14).
    public func suppressInterrupts() { fields.driverEvent.disable() }

    /// Asks the device for an interrupt when it returns the next chain. If one was returned already, no interrupt will
    /// come for it.
    ///
    /// - Parameter collecting: whether the interrupt is to come only when more than half of what is in flight now, in
    ///   descriptors, was returned, which needs an event index.
    /// - Returns: whether nothing waits to be popped.
    public func armInterrupts(collecting: Bool = false) -> Bool {
        if fields.hasEventIndex {
            var event = nextUsed
            if collecting { event.advance(by: (fields.size - freeCount) / 2, size: fields.size) }
            fields.driverEvent.enable(at: event)
        } else {
            fields.driverEvent.enable()
        }
        // Our wish above must be visible before we look at the descriptor below; the device fences between its
        // descriptor and our wish (PackedUsedWriter.needsInterrupt).
        fullFence()
        return !hasUsed
    }
}
