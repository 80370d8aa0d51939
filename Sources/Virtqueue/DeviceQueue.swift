public import GuestMemory

/// The device's consuming half of a virtqueue of either kind. One thread at a time, but for the walk of a chain that a
/// thread has popped.
public struct AvailableReader: ~Copyable, Sendable {
    enum Kind: ~Copyable {
        case split(RingPlace<SplitAvailableReader>)
        case packed(RingPlace<PackedAvailableReader>)
    }

    private let kind: Kind

    /// Of the kind that ``RingFeatures/packed`` chooses.
    ///
    /// - Parameters:
    ///   - start: where to go on when the device takes over a ring in mid-life, as ``nextAvailable`` tells it.
    ///   - inflight: where to keep which chains are in flight, and where a device before this one may have done so.
    public init(
        _ configuration: QueueConfiguration, memory: GuestMemoryMap, start: UInt16? = nil,
        inflight: InflightRegion? = nil
    ) throws(RingError) {
        if configuration.features.contains(.packed) {
            kind = .packed(
                RingPlace(
                    try PackedAvailableReader(
                        configuration, memory: memory, start: start ?? 0x8000, inflight: inflight)))
        } else {
            kind = .split(
                RingPlace(
                    try SplitAvailableReader(configuration, memory: memory, start: start ?? 0, inflight: inflight)))
        }
    }

    /// Chains that a device before this one had when it ended, in the order in which it took them: to be served again
    /// before any other.
    public var leftOver: [PoppedChain] {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.leftOver
        case .packed(let ring): unsafe ring.pointer.pointee.leftOver
        }
    }

    private init(_ kind: consuming Kind) { self.kind = kind }

    /// The same half where the ring lies in another map of the same memory: regions have come or gone. It goes on where
    /// this one stands, which pops nothing from here on; chains that this one has popped stay good in the old map.
    ///
    /// - Parameter configuration: of the same size and features.
    public func moved(
        to configuration: QueueConfiguration, memory: GuestMemoryMap
    ) throws(RingError) -> AvailableReader {
        switch kind {
        case .split(let ring):
            unsafe AvailableReader(.split(RingPlace(try ring.pointer.pointee.moved(to: configuration, memory))))
        case .packed(let ring):
            unsafe AvailableReader(.packed(RingPlace(try ring.pointer.pointee.moved(to: configuration, memory))))
        }
    }

    /// The half that returns what this one pops.
    ///
    /// - Parameter start: for a packed ring in mid-life, where the next used descriptor goes (``UsedWriter/nextUsed``); a
    ///   split ring holds it itself.
    public func usedWriter(start: UInt16? = nil) -> UsedWriter {
        switch kind {
        case .split(let ring): unsafe UsedWriter(ring.pointer.pointee.usedWriter())
        case .packed(let ring): unsafe UsedWriter(ring.pointer.pointee.usedWriter(start: start))
        }
    }

    /// Descriptors in the queue.
    public var size: UInt16 {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.size
        case .packed(let ring): unsafe ring.pointer.pointee.size
        }
    }

    /// Where the next chain will be taken from: a free-running index in a split queue (virtio 1.4, 2.7.6), a descriptor
    /// with the wrap counter in bit 15 in a packed one (virtio 1.4, 2.8.1).
    public var nextAvailable: UInt16 {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.nextAvailable
        case .packed(let ring): unsafe ring.pointer.pointee.nextAvailable
        }
    }

    /// Whether the driver has made nothing available that was not popped yet.
    public var isEmpty: Bool {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.isEmpty
        case .packed(let ring): unsafe ring.pointer.pointee.isEmpty
        }
    }

    /// Whether nothing is available at a place that ``nextAvailable`` was a moment ago. From any thread: the one that
    /// takes chains may have gone on meanwhile.
    public func isEmpty(at place: UInt16) -> Bool {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.isEmpty(at: place)
        case .packed(let ring): unsafe ring.pointer.pointee.isEmpty(at: place)
        }
    }

    /// Whether more than `count` chains, or in a packed ring descriptors, wait to be popped. Only a hint: whoever pops looks
    /// again.
    public func hasMore(than count: UInt16) -> Bool {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.hasMore(than: count)
        case .packed(let ring): unsafe ring.pointer.pointee.hasMore(than: count)
        }
    }

    /// Takes the next available chain; nothing when there is none.
    public func pop() throws(RingError) -> PoppedChain? {
        switch kind {
        case .split(let ring): try unsafe ring.pointer.pointee.pop()
        case .packed(let ring): try unsafe ring.pointer.pointee.pop()
        }
    }

    /// Fills `list` with the buffers of a chain that was popped here and not returned yet.
    public func walk(from chain: PoppedChain, into list: inout SegmentList) throws(RingError) {
        switch kind {
        case .split(let ring): try unsafe ring.pointer.pointee.walk(from: chain, into: &list)
        case .packed(let ring): try unsafe ring.pointer.pointee.walk(from: chain, into: &list)
        }
    }

    /// Asks the driver for no kicks. Only a hint.
    public func suppressKicks() {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.suppressKicks()
        case .packed(let ring): unsafe ring.pointer.pointee.suppressKicks()
        }
    }

    /// Asks the driver for a kick when it makes the next chain available. If something is available already, no kick
    /// will come for it, and the caller goes on instead of sleeping.
    ///
    /// - Returns: whether the ring is empty, so that the caller may sleep.
    public func armKicks() -> Bool {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.armKicks()
        case .packed(let ring): unsafe ring.pointer.pointee.armKicks()
        }
    }
}

/// The device's producing half of a virtqueue of either kind. ``AvailableReader/usedWriter(start:)`` makes it. One thread
/// at a time, which may be another than the reader's.
public struct UsedWriter: ~Copyable, Sendable {
    enum Kind: ~Copyable {
        case split(RingPlace<SplitUsedWriter>)
        case packed(RingPlace<PackedUsedWriter>)
    }

    private let kind: Kind

    init(_ writer: consuming SplitUsedWriter) { kind = .split(RingPlace(writer)) }
    init(_ writer: consuming PackedUsedWriter) { kind = .packed(RingPlace(writer)) }

    /// Goes on where the ring lies in another map of the same memory.
    ///
    /// - Parameter configuration: of the same size and features.
    public func move(to configuration: QueueConfiguration, memory: GuestMemoryMap) throws(RingError) {
        switch kind {
        case .split(let ring): try unsafe ring.pointer.pointee.move(to: configuration, memory)
        case .packed(let ring): try unsafe ring.pointer.pointee.move(to: configuration, memory)
        }
    }

    /// Where the next chain will be returned: a free-running index in a split queue, a descriptor with the wrap counter
    /// in bit 15 in a packed one.
    public var nextUsed: UInt16 {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.nextUsed
        case .packed(let ring): unsafe ring.pointer.pointee.nextUsed
        }
    }

    /// Returns a chain, with the number of bytes written into it.
    public func push(_ chain: PoppedChain, written: UInt32) {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.push(chain, written: written)
        case .packed(let ring): unsafe ring.pointer.pointee.push(chain, written: written)
        }
    }

    /// Whether the driver wants to be told of what was pushed since this was last asked.
    public func needsInterrupt() -> Bool {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.needsInterrupt()
        case .packed(let ring): unsafe ring.pointer.pointee.needsInterrupt()
        }
    }
}
