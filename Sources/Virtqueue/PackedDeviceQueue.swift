import CKernel
public import GuestMemory

/// The device's consuming half of a packed virtqueue: it takes available descriptors out of the ring and walks chains
/// (virtio 1.4, 2.8). One thread at a time.
public struct PackedAvailableReader: ~Copyable {
    private let fields: PackedRingFields
    private let memory: GuestMemoryMap
    private let store: PackedChainStore
    private var next: PackedPosition
    private let inflight: PackedInflight?
    /// Chains that a device before this one had when it ended.
    let leftOver: [PoppedChain]

    /// - Parameters:
    ///   - start: the position to go on from, wrap counter in bit 15, when the device takes over a ring in mid-life.
    ///   - inflight: where to keep which chains are in flight, and where a device before this one may have done so.
    public init(
        _ configuration: QueueConfiguration, memory: GuestMemoryMap, start: UInt16 = 0x8000,
        inflight: InflightRegion? = nil
    ) throws(RingError) {
        let fields = try PackedRingFields(configuration, memory: memory)
        let start = PackedPosition(rawValue: start)
        guard start.index < fields.size else { throw .descriptorIndex(start.index) }
        let store = PackedChainStore(size: fields.size)
        var tracker: PackedInflight?
        var leftOver: [PoppedChain] = []
        if let inflight {
            let taken = try PackedInflight(inflight, size: fields.size, start: start) { fields.flags($0).load() }
            leftOver = try Self.takeOver(taken, into: store)
            tracker = taken
        }
        self.fields = fields
        self.memory = memory
        self.store = store
        self.inflight = tracker
        self.leftOver = leftOver
        // Whoever starts a ring after a crash does not know what was taken out of it: that is used or in flight.
        next = tracker?.used ?? start
        for chain in leftOver { next.advance(by: chain.count, size: fields.size) }
    }

    private static func takeOver(
        _ tracker: PackedInflight, into store: PackedChainStore
    ) throws(RingError) -> [PoppedChain] {
        var chains: [PoppedChain] = []
        for (place, descriptors) in try tracker.takeOver() {
            var draft = store.makeDraft()
            for descriptor in descriptors {
                guard store.append(descriptor, to: &draft) else { throw .badInflightRegion }
            }
            let copy = store.commit(draft)
            tracker.adopt(place, as: copy)
            chains.append(PoppedChain(id: descriptors.last!.id, copy: copy, count: UInt16(descriptors.count)))
        }
        return chains
    }

    private init(
        fields: PackedRingFields, memory: GuestMemoryMap, store: PackedChainStore, next: PackedPosition,
        inflight: PackedInflight?
    ) {
        self.fields = fields
        self.memory = memory
        self.store = store
        self.next = next
        self.inflight = inflight
        leftOver = []
    }

    /// The same half, with the same chains in flight, where the ring lies in another map of the same memory.
    func moved(to configuration: QueueConfiguration, _ memory: GuestMemoryMap) throws(RingError) -> Self {
        let fields = try PackedRingFields(configuration, memory: memory)
        return Self(fields: fields, memory: memory, store: store, next: next, inflight: inflight)
    }

    public var size: UInt16 { fields.size }

    /// The next descriptor of the ring to look at, wrap counter in bit 15.
    public var nextAvailable: UInt16 { next.rawValue }

    /// The half that returns what this one pops.
    ///
    /// - Parameter start: the position to go on from, wrap counter in bit 15. Without chains in flight it is the same as
    ///   ``nextAvailable``, which is taken when nothing is given.
    public func usedWriter(start: UInt16? = nil) -> PackedUsedWriter {
        let place = start.map { PackedPosition(rawValue: $0) } ?? inflight?.used ?? next
        return PackedUsedWriter(fields: fields, store: store, next: place, inflight: inflight)
    }

    /// Whether the driver has made nothing available that was not popped yet.
    public var isEmpty: Bool { isEmpty(at: nextAvailable) }

    /// Whether nothing is available at a place that was ``nextAvailable``. From any thread.
    func isEmpty(at place: UInt16) -> Bool {
        let position = PackedPosition(rawValue: place)
        // Acquires: the rest of the descriptor, and of its chain, is visible after this (virtio 1.4, 2.8.21.1).
        return fields.flags(position).load() & PackedDescriptor.ownership != position.availableFlags
    }

    /// Whether more than `count` descriptors wait to be popped, as far as the one behind those tells.
    func hasMore(than count: UInt16) -> Bool {
        guard count < fields.size else { return false }
        var place = next
        place.advance(by: count, size: fields.size)
        return !isEmpty(at: place.rawValue)
    }

    /// Takes the next available chain; nothing when there is none. Its descriptors are copied, each once, and only the
    /// copy is used from here on.
    public mutating func pop() throws(RingError) -> PoppedChain? {
        guard !isEmpty else { return nil }
        var draft = store.makeDraft()
        var position = next
        while true {
            guard draft.count < fields.size else { throw .chainTooLong }
            let descriptor = unsafe PackedDescriptor(readingFrom: fields.pointer(position))
            guard store.append(descriptor, to: &draft) else { throw .tooManyInFlight }
            position.advance(by: 1, size: fields.size)
            guard !descriptor.hasNext else { continue }
            next = position
            // The last descriptor holds the buffer ID (virtio 1.4, 2.8.6).
            let chain = PoppedChain(id: descriptor.id, copy: store.commit(draft), count: draft.count)
            inflight?.take(chain, from: store)
            return chain
        }
    }

    /// Fills `list` with the buffers of a chain that was popped here and not returned yet.
    public func walk(from chain: PoppedChain, into list: inout SegmentList) throws(RingError) {
        list.removeAll()
        var index = chain.copy
        for _ in 0..<chain.count {
            let (descriptor, next) = store.descriptor(index)
            if descriptor.isIndirect {
                // A table is never part of a list in the ring (virtio 1.4, 2.8.19).
                guard chain.count == 1 else { throw .badIndirectTable }
                return try walkTable(descriptor, into: &list)
            }
            try list.append(descriptor.address, count: descriptor.length, writable: descriptor.isWritable, in: memory)
            index = next
        }
    }

    /// Takes the entries of a table one after the other; of their flags only WRITE means anything (virtio 1.4, 2.8.7).
    private func walkTable(_ table: PackedDescriptor, into list: inout SegmentList) throws(RingError) {
        guard fields.features.contains(.indirectDescriptors), table.length % 16 == 0, table.length > 0 else {
            throw .badIndirectTable
        }
        guard table.length / 16 <= UInt32(fields.size) else { throw .chainTooLong }
        guard let base = unsafe memory.translate(table.address, count: UInt64(table.length)) else {
            throw .bufferOutsideMemory(table.address, count: table.length)
        }
        for index in 0..<Int(table.length / 16) {
            let descriptor = unsafe PackedDescriptor(readingFrom: base + 16 * index)
            try list.append(descriptor.address, count: descriptor.length, writable: descriptor.isWritable, in: memory)
        }
    }

    /// Asks the driver for no kicks. Only a hint (virtio 1.4, 2.8.14).
    public func suppressKicks() { fields.deviceEvent.disable() }

    /// Asks the driver for a kick when it makes the next chain available. If something is available already, no kick
    /// will come for it, and the caller goes on instead of sleeping.
    ///
    /// - Returns: whether the ring is empty, so that the caller may sleep.
    public func armKicks() -> Bool {
        if fields.hasEventIndex {
            fields.deviceEvent.enable(at: next)
        } else {
            fields.deviceEvent.enable()
        }
        // Our wish above must be visible before we look at the descriptor below; the driver fences between its
        // descriptor and our wish (PackedDriverQueue.needsKick).
        fullFence()
        return isEmpty
    }
}

/// The device's producing half of a packed virtqueue: it writes used descriptors (virtio 1.4, 2.8). One thread at a
/// time.
public struct PackedUsedWriter: ~Copyable {
    private var fields: PackedRingFields
    private let store: PackedChainStore
    private var next: PackedPosition
    /// Descriptors passed since the driver was asked whether it wants an interrupt; a lap is as good as several.
    private var unannounced: UInt16 = 0
    private let inflight: PackedInflight?

    init(fields: PackedRingFields, store: PackedChainStore, next: PackedPosition, inflight: PackedInflight?) {
        self.inflight = inflight
        self.fields = fields
        self.store = store
        self.next = next
    }

    /// Goes on where the ring lies in another map of the same memory.
    mutating func move(to configuration: QueueConfiguration, _ memory: GuestMemoryMap) throws(RingError) {
        fields = try PackedRingFields(configuration, memory: memory)
    }

    /// Where the next used descriptor goes, wrap counter in bit 15.
    public var nextUsed: UInt16 { next.rawValue }

    /// Returns a chain, with the number of bytes written into it. One used descriptor stands for all of the chain's
    /// (virtio 1.4, 2.8.6).
    public mutating func push(_ chain: PoppedChain, written: UInt32) {
        let flags = next.usedFlags | (written > 0 ? UInt16(VRING_DESC_F_WRITE) : 0)
        let pointer = unsafe fields.pointer(next)
        unsafe SharedUInt32(at: pointer + 8).store(written)
        unsafe SharedUInt16(at: pointer + 12).store(chain.id)
        var following = next
        following.advance(by: chain.count, size: fields.size)
        // Releases: the driver that sees these flags sees the rest, and all that was written into the chain.
        if let inflight {
            inflight.giveBack(chain, next: following) { fields.flags(next).store(flags) }
        } else {
            fields.flags(next).store(flags)
        }
        next = following
        unannounced += min(fields.size - unannounced, chain.count)
        store.finish(chain.copy)
    }

    /// Whether the driver wants to be told of what was pushed since this was last asked (virtio 1.4, 2.8.14).
    public mutating func needsInterrupt() -> Bool {
        // Our flags in push must be visible before we read the driver's wish; the driver fences between its wish and
        // our flags (PackedDriverQueue.armInterrupts).
        fullFence()
        let count = unannounced
        unannounced = 0
        guard count > 0 else { return false }
        return fields.driverEvent.wants(
            count, before: next, size: fields.size, hasEventIndex: fields.hasEventIndex)
    }
}
