public import GuestMemory

/// The device's consuming half of a virtqueue of either kind. One thread at a time.
public enum AvailableReader: ~Copyable {
    case split(SplitAvailableReader)
    case packed(PackedAvailableReader)

    /// Of the kind that ``RingFeatures/packed`` chooses.
    ///
    /// - Parameter start: where to go on when the device takes over a ring in mid-life, as ``nextAvailable`` tells it.
    public init(
        _ configuration: QueueConfiguration, memory: GuestMemoryMap, start: UInt16? = nil
    ) throws(RingError) {
        if configuration.features.contains(.packed) {
            self = .packed(try PackedAvailableReader(configuration, memory: memory, start: start ?? 0x8000))
        } else {
            self = .split(try SplitAvailableReader(configuration, memory: memory, start: start ?? 0))
        }
    }

    /// The half that returns what this one pops.
    ///
    /// - Parameter start: for a packed ring in mid-life, where the next used descriptor goes (``UsedWriter/nextUsed``); a
    ///   split ring holds it itself.
    public func usedWriter(start: UInt16? = nil) -> UsedWriter {
        switch self {
        case .split(let ring): .split(ring.usedWriter())
        case .packed(let ring): .packed(ring.usedWriter(start: start))
        }
    }

    /// Descriptors in the queue.
    public var size: UInt16 {
        switch self {
        case .split(let ring): ring.size
        case .packed(let ring): ring.size
        }
    }

    /// Where the next chain will be taken from: a free-running index in a split queue (virtio 1.4, 2.7.6), a descriptor
    /// with the wrap counter in bit 15 in a packed one (virtio 1.4, 2.8.1).
    public var nextAvailable: UInt16 {
        switch self {
        case .split(let ring): ring.nextAvailable
        case .packed(let ring): ring.nextAvailable
        }
    }

    /// Whether the driver has made nothing available that was not popped yet.
    public var isEmpty: Bool {
        switch self {
        case .split(let ring): ring.isEmpty
        case .packed(let ring): ring.isEmpty
        }
    }

    /// Takes the next available chain; nothing when there is none.
    public mutating func pop() throws(RingError) -> PoppedChain? {
        switch consume self {
        case .split(var ring):
            let result = Result { () throws(RingError) in try ring.pop() }
            self = .split(ring)
            return try result.get()
        case .packed(var ring):
            let result = Result { () throws(RingError) in try ring.pop() }
            self = .packed(ring)
            return try result.get()
        }
    }

    /// Fills `list` with the buffers of a chain that was popped here and not returned yet.
    public func walk(from chain: PoppedChain, into list: inout SegmentList) throws(RingError) {
        switch self {
        case .split(let ring): try ring.walk(from: chain, into: &list)
        case .packed(let ring): try ring.walk(from: chain, into: &list)
        }
    }

    /// Asks the driver for no kicks. Only a hint.
    public func suppressKicks() {
        switch self {
        case .split(let ring): ring.suppressKicks()
        case .packed(let ring): ring.suppressKicks()
        }
    }

    /// Asks the driver for a kick when it makes the next chain available. If something is available already, no kick
    /// will come for it, and the caller goes on instead of sleeping.
    ///
    /// - Returns: whether the ring is empty, so that the caller may sleep.
    public func armKicks() -> Bool {
        switch self {
        case .split(let ring): ring.armKicks()
        case .packed(let ring): ring.armKicks()
        }
    }
}

/// The device's producing half of a virtqueue of either kind. ``AvailableReader/usedWriter(start:)`` makes it. One thread
/// at a time, which may be another than the reader's.
public enum UsedWriter: ~Copyable {
    case split(SplitUsedWriter)
    case packed(PackedUsedWriter)

    /// Where the next chain will be returned: a free-running index in a split queue, a descriptor with the wrap counter
    /// in bit 15 in a packed one.
    public var nextUsed: UInt16 {
        switch self {
        case .split(let ring): ring.nextUsed
        case .packed(let ring): ring.nextUsed
        }
    }

    /// Returns a chain, with the number of bytes written into it.
    public mutating func push(_ chain: PoppedChain, written: UInt32) {
        switch consume self {
        case .split(var ring):
            ring.push(chain, written: written)
            self = .split(ring)
        case .packed(var ring):
            ring.push(chain, written: written)
            self = .packed(ring)
        }
    }

    /// Whether the driver wants to be told of what was pushed since this was last asked.
    public mutating func needsInterrupt() -> Bool {
        switch consume self {
        case .split(var ring):
            let result = ring.needsInterrupt()
            self = .split(ring)
            return result
        case .packed(var ring):
            let result = ring.needsInterrupt()
            self = .packed(ring)
            return result
        }
    }
}
