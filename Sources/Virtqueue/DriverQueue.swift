public import GuestMemory

/// The driver's half of a virtqueue of either kind. One thread at a time.
public struct DriverQueue: ~Copyable, Sendable {
    enum Kind: ~Copyable {
        case split(RingPlace<SplitDriverQueue>)
        case packed(RingPlace<PackedDriverQueue>)
    }

    private let kind: Kind

    /// Takes a fresh ring, zeroed by the caller, of the kind that ``RingFeatures/packed`` chooses.
    public init(_ configuration: QueueConfiguration, memory: GuestMemoryMap) throws(RingError) {
        if configuration.features.contains(.packed) {
            kind = .packed(RingPlace(try PackedDriverQueue(configuration, memory: memory)))
        } else {
            kind = .split(RingPlace(try SplitDriverQueue(configuration, memory: memory)))
        }
    }

    /// Descriptors in the queue.
    public var size: UInt16 {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.size
        case .packed(let ring): unsafe ring.pointer.pointee.size
        }
    }

    /// Free descriptors.
    public var freeCount: UInt16 {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.freeCount
        case .packed(let ring): unsafe ring.pointer.pointee.freeCount
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
    public func add(
        readable: UnsafeBufferPointer<GuestBuffer>, writable: UnsafeBufferPointer<GuestBuffer>,
        table: IndirectTable?, token: UInt32
    ) -> Bool {
        switch kind {
        case .split(let ring):
            unsafe ring.pointer.pointee.add(readable: readable, writable: writable, table: table, token: token)
        case .packed(let ring):
            unsafe ring.pointer.pointee.add(readable: readable, writable: writable, table: table, token: token)
        }
    }

    /// Whether the device wants to be told of what was added since this was last asked.
    public func needsKick() -> Bool {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.needsKick()
        case .packed(let ring): unsafe ring.pointer.pointee.needsKick()
        }
    }

    /// Whether the device has returned anything that was not popped yet.
    public var hasUsed: Bool {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.hasUsed
        case .packed(let ring): unsafe ring.pointer.pointee.hasUsed
        }
    }

    /// Takes the next chain that the device has returned: its token, and how many bytes the device wrote into it.
    public func popUsed() throws(RingError) -> (token: UInt32, written: UInt32)? {
        switch kind {
        case .split(let ring): try unsafe ring.pointer.pointee.popUsed()
        case .packed(let ring): try unsafe ring.pointer.pointee.popUsed()
        }
    }

    /// Asks the device for no interrupts. Only a hint.
    public func suppressInterrupts() {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.suppressInterrupts()
        case .packed(let ring): unsafe ring.pointer.pointee.suppressInterrupts()
        }
    }

    /// Asks the device for an interrupt when it returns the next chain. If one was returned already, no interrupt will
    /// come for it.
    ///
    /// - Parameter collecting: whether the interrupt is to come only when more than half of what is in flight now was
    ///   returned, which needs VIRTIO_F_EVENT_IDX.
    /// - Returns: whether nothing waits to be popped.
    public func armInterrupts(collecting: Bool = false) -> Bool {
        switch kind {
        case .split(let ring): unsafe ring.pointer.pointee.armInterrupts(collecting: collecting)
        case .packed(let ring): unsafe ring.pointer.pointee.armInterrupts(collecting: collecting)
        }
    }
}
