import CKernel
public import GuestMemory

/// The device's consuming half of a split virtqueue: it reads the available ring and walks descriptor chains
/// (virtio 1.4, 2.7.6 and 2.7.5). One thread at a time.
public struct SplitAvailableReader: ~Copyable {
    private let fields: SplitRingFields
    private let memory: GuestMemoryMap
    /// The next entry of the available ring to look at; free-running, as `idx` is.
    public private(set) var nextAvailable: UInt16
    private let inflight: SplitInflight?
    /// Chains that a device before this one had when it ended.
    let leftOver: [PoppedChain]

    /// - Parameters:
    ///   - start: the index to go on from, when the device takes over a ring in mid-life.
    ///   - inflight: where to keep which chains are in flight, and where a device before this one may have done so.
    public init(
        _ configuration: QueueConfiguration, memory: GuestMemoryMap, start: UInt16 = 0, inflight: InflightRegion? = nil
    ) throws(RingError) {
        let fields = try SplitRingFields(configuration, memory: memory)
        let usedIndex = fields.usedIndex.load()
        var tracker: SplitInflight?
        if let inflight { tracker = try SplitInflight(inflight, size: fields.size, usedIndex: usedIndex) }
        let leftOver = tracker?.takeOver().map { PoppedChain(id: $0) } ?? []
        self.fields = fields
        self.memory = memory
        self.inflight = tracker
        self.leftOver = leftOver
        // Whoever starts a ring after a crash does not know what was taken out of it: that is used or in flight.
        let isContinued = tracker?.isContinued ?? false
        nextAvailable = isContinued ? usedIndex &+ UInt16(leftOver.count) : start
    }

    private init(fields: SplitRingFields, memory: GuestMemoryMap, start: UInt16, inflight: SplitInflight?) {
        self.fields = fields
        self.memory = memory
        self.inflight = inflight
        nextAvailable = start
        leftOver = []
    }

    /// The same half where the ring lies in another map of the same memory.
    func moved(to configuration: QueueConfiguration, _ memory: GuestMemoryMap) throws(RingError) -> Self {
        let fields = try SplitRingFields(configuration, memory: memory)
        return Self(fields: fields, memory: memory, start: nextAvailable, inflight: inflight)
    }

    public var size: UInt16 { fields.size }

    /// Whether the driver has made nothing available that was not popped yet.
    public var isEmpty: Bool { isEmpty(at: nextAvailable) }

    /// Whether nothing is available at a place that was ``nextAvailable``. From any thread.
    func isEmpty(at place: UInt16) -> Bool { fields.availableIndex.load() == place }

    /// Whether more than `count` chains wait to be popped.
    func hasMore(than count: UInt16) -> Bool { fields.availableIndex.load() &- nextAvailable > count }

    /// The half that returns what this one pops. It goes on where the used ring's own index stands.
    public func usedWriter() -> SplitUsedWriter { SplitUsedWriter(fields: fields, inflight: inflight) }

    /// Takes the next available chain; nothing when there is none.
    public mutating func pop() throws(RingError) -> PoppedChain? {
        // Acquires: the entry and the descriptors that the driver wrote before the index are visible after this.
        let index = fields.availableIndex.load()
        guard index != nextAvailable else { return nil }
        guard index &- nextAvailable <= fields.size else { throw .indexJump(from: nextAvailable, to: index) }
        let head = fields.availableEntry(nextAvailable).load()
        guard head < fields.size else { throw .descriptorIndex(head) }
        nextAvailable &+= 1
        inflight?.take(head)
        return PoppedChain(id: head)
    }

    /// Fills `list` with the buffers of a chain that was popped here.
    ///
    /// Every descriptor is copied once and the copy checked, so a driver that changes it meanwhile gains nothing. A
    /// walk takes at most as many steps as the queue is long: loops end by construction.
    public func walk(from chain: PoppedChain, into list: inout SegmentList) throws(RingError) {
        list.removeAll()
        var stepsLeft = fields.size
        var index = chain.id
        while true {
            guard stepsLeft > 0 else { throw .chainTooLong }
            stepsLeft -= 1
            let descriptor = fields.descriptor(index)
            if descriptor.isIndirect {
                // A table may end a chain of direct descriptors (virtio 1.4, 2.7.5.3.2), and nothing follows it.
                guard !descriptor.hasNext else { throw .badIndirectTable }
                return try walkTable(descriptor, stepsLeft: stepsLeft + 1, into: &list)
            }
            try list.append(descriptor.address, count: descriptor.length, writable: descriptor.isWritable, in: memory)
            guard descriptor.hasNext else { return }
            guard descriptor.next < fields.size else { throw .descriptorIndex(descriptor.next) }
            index = descriptor.next
        }
    }

    private func walkTable(
        _ table: SplitDescriptor, stepsLeft: UInt16, into list: inout SegmentList
    ) throws(RingError) {
        let entries = table.length / 16
        guard fields.features.contains(.indirectDescriptors), table.length % 16 == 0, entries > 0 else {
            throw .badIndirectTable
        }
        guard let base = unsafe memory.translate(table.address, count: UInt64(table.length)) else {
            throw .bufferOutsideMemory(table.address, count: table.length)
        }
        let isAligned = UInt(bitPattern: base) % 8 == 0
        var stepsLeft = stepsLeft
        var index: UInt16 = 0
        while true {
            guard stepsLeft > 0 else { throw .chainTooLong }
            stepsLeft -= 1
            let entry = unsafe base + 16 * Int(index)
            let descriptor =
                unsafe isAligned ? SplitDescriptor(readingFrom: entry) : SplitDescriptor(readingUnalignedFrom: entry)
            guard !descriptor.isIndirect else { throw .badIndirectTable }
            try list.append(descriptor.address, count: descriptor.length, writable: descriptor.isWritable, in: memory)
            guard descriptor.hasNext else { return }
            guard UInt32(descriptor.next) < entries else { throw .descriptorIndex(descriptor.next) }
            index = descriptor.next
        }
    }

    /// Asks the driver for no kicks. Only a hint (virtio 1.4, 2.7.10): with an event index it is enough not to move it.
    public func suppressKicks() {
        if !fields.features.contains(.eventIndex) { fields.usedFlags.store(UInt16(VRING_USED_F_NO_NOTIFY)) }
    }

    /// Asks the driver for a kick when it makes the next chain available. If something is available already, no kick
    /// will come for it, and the caller goes on instead of sleeping.
    ///
    /// - Returns: whether the ring is empty, so that the caller may sleep.
    public func armKicks() -> Bool {
        if fields.features.contains(.eventIndex) {
            fields.availableEvent.store(nextAvailable)
        } else {
            fields.usedFlags.store(0)
        }
        // Our wish above must be visible before we look at the index below; the driver fences between its index and
        // our wish (SplitDriverQueue.needsKick).
        fullFence()
        return isEmpty
    }
}

/// The device's producing half of a split virtqueue: it writes the used ring (virtio 1.4, 2.7.8). One thread at a time.
public struct SplitUsedWriter: ~Copyable {
    private var fields: SplitRingFields
    /// Where the next entry of the used ring goes; free-running.
    public private(set) var nextUsed: UInt16
    /// The index up to which the driver was asked whether it wants an interrupt.
    private var announced: UInt16
    private let inflight: SplitInflight?

    /// Goes on where the used ring's own index stands.
    public init(_ configuration: QueueConfiguration, memory: GuestMemoryMap) throws(RingError) {
        self.init(fields: try SplitRingFields(configuration, memory: memory), inflight: nil)
    }

    fileprivate init(fields: SplitRingFields, inflight: SplitInflight?) {
        self.fields = fields
        self.inflight = inflight
        nextUsed = fields.usedIndex.load()
        announced = nextUsed
    }

    /// Goes on where the ring lies in another map of the same memory.
    mutating func move(to configuration: QueueConfiguration, _ memory: GuestMemoryMap) throws(RingError) {
        fields = try SplitRingFields(configuration, memory: memory)
    }

    /// Returns a chain, with the number of bytes written into it.
    public mutating func push(_ chain: PoppedChain, written: UInt32) {
        let entry = fields.usedEntry(nextUsed)
        entry.id.store(UInt32(chain.id))
        entry.length.store(written)
        nextUsed &+= 1
        inflight?.willReturn(chain.id)
        // Releases: the driver that sees this index sees the entry and all that was written into the chain.
        fields.usedIndex.store(nextUsed)
        inflight?.hasReturned(chain.id, usedIndex: nextUsed)
    }

    /// Whether the driver wants to be told of what was pushed since this was last asked (virtio 1.4, 2.7.10.2).
    public mutating func needsInterrupt() -> Bool {
        // Our index in push must be visible before we read the driver's wish; the driver fences between its wish and
        // our index (SplitDriverQueue.armInterrupts).
        fullFence()
        let before = announced
        announced = nextUsed
        guard before != nextUsed else { return false }
        guard fields.features.contains(.eventIndex) else {
            return fields.availableFlags.load() & UInt16(VRING_AVAIL_F_NO_INTERRUPT) == 0
        }
        return crossesEvent(event: fields.usedEvent.load(), new: nextUsed, old: before)
    }
}

/// Whether a move of a free-running index from `old` to `new` passes `event` (virtio 1.4, 2.7.10.1:
/// `(u16)(new_idx - event_idx - 1) < (u16)(new_idx - old_idx)`).
func crossesEvent(event: UInt16, new: UInt16, old: UInt16) -> Bool {
    new &- event &- 1 < new &- old
}
