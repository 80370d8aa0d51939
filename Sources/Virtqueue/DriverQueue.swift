public import GuestMemory

/// The driver's half of a virtqueue of either kind. One thread at a time.
public enum DriverQueue: ~Copyable, Sendable {
    case split(SplitDriverQueue)
    case packed(PackedDriverQueue)

    /// Takes a fresh ring, zeroed by the caller, of the kind that ``RingFeatures/packed`` chooses.
    public init(_ configuration: QueueConfiguration, memory: GuestMemoryMap) throws(RingError) {
        if configuration.features.contains(.packed) {
            self = .packed(try PackedDriverQueue(configuration, memory: memory))
        } else {
            self = .split(try SplitDriverQueue(configuration, memory: memory))
        }
    }

    /// Descriptors in the queue.
    public var size: UInt16 {
        switch self {
        case .split(let ring): ring.size
        case .packed(let ring): ring.size
        }
    }

    /// Free descriptors.
    public var freeCount: UInt16 {
        switch self {
        case .split(let ring): ring.freeCount
        case .packed(let ring): ring.freeCount
        }
    }

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
        switch consume self {
        case .split(var ring):
            let result = ring.add(readable: readable, writable: writable, table: table, token: token)
            self = .split(ring)
            return result
        case .packed(var ring):
            let result = ring.add(readable: readable, writable: writable, table: table, token: token)
            self = .packed(ring)
            return result
        }
    }

    /// Whether the device wants to be told of what was added since this was last asked.
    public mutating func needsKick() -> Bool {
        switch consume self {
        case .split(var ring):
            let result = ring.needsKick()
            self = .split(ring)
            return result
        case .packed(var ring):
            let result = ring.needsKick()
            self = .packed(ring)
            return result
        }
    }

    /// Whether the device has returned anything that was not popped yet.
    public var hasUsed: Bool {
        switch self {
        case .split(let ring): ring.hasUsed
        case .packed(let ring): ring.hasUsed
        }
    }

    /// Takes the next chain that the device has returned: its token, and how many bytes the device wrote into it.
    public mutating func popUsed() throws(RingError) -> (token: UInt32, written: UInt32)? {
        switch consume self {
        case .split(var ring):
            let result = Result { () throws(RingError) in try ring.popUsed() }
            self = .split(ring)
            return try result.get()
        case .packed(var ring):
            let result = Result { () throws(RingError) in try ring.popUsed() }
            self = .packed(ring)
            return try result.get()
        }
    }

    /// Asks the device for no interrupts. Only a hint.
    public func suppressInterrupts() {
        switch self {
        case .split(let ring): ring.suppressInterrupts()
        case .packed(let ring): ring.suppressInterrupts()
        }
    }

    /// Asks the device for an interrupt when it returns the next chain. If one was returned already, no interrupt will
    /// come for it.
    ///
    /// - Returns: whether nothing waits to be popped.
    public func armInterrupts() -> Bool {
        switch self {
        case .split(let ring): ring.armInterrupts()
        case .packed(let ring): ring.armInterrupts()
        }
    }
}
