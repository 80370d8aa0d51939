public import GuestMemory

/// Where a virtqueue lies and how it was negotiated (virtio 1.4, 2.6 "Virtqueues" and 4.1.4.3).
public struct QueueConfiguration: Sendable {
    /// Descriptors in the queue, up to 32768; for a split queue a power of two (virtio 1.4, 2.7 and 2.8.10.1).
    public var size: UInt16
    /// The descriptor area: the descriptor table of a split queue, the descriptor ring of a packed one.
    public var descriptorArea: GuestAddress
    /// The driver area: the available ring of a split queue, the driver event suppression of a packed one.
    public var driverArea: GuestAddress
    /// The device area: the used ring of a split queue, the device event suppression of a packed one.
    public var deviceArea: GuestAddress
    public var features: RingFeatures

    public init(
        size: UInt16, descriptorArea: GuestAddress, driverArea: GuestAddress, deviceArea: GuestAddress,
        features: RingFeatures
    ) {
        self.size = size
        self.descriptorArea = descriptorArea
        self.driverArea = driverArea
        self.deviceArea = deviceArea
        self.features = features
    }
}

/// What driver and device agreed on that changes how a ring works.
public struct RingFeatures: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// VIRTIO_F_INDIRECT_DESC: a descriptor may name a table of descriptors (virtio 1.4, 2.7.5.3).
    public static let indirectDescriptors = RingFeatures(rawValue: 1)
    /// VIRTIO_F_EVENT_IDX: notifications are asked for by index (virtio 1.4, 2.7.10).
    public static let eventIndex = RingFeatures(rawValue: 2)
    /// VIRTIO_F_RING_PACKED: the queue is packed, not split (virtio 1.4, 2.8).
    public static let packed = RingFeatures(rawValue: 4)
}

/// How a split queue lies in memory (virtio 1.4, 2.7).
public struct SplitLayout: Sendable {
    public let size: UInt16

    public init(size: UInt16) { self.size = size }

    /// Bytes of the descriptor table; aligned to 16.
    public var descriptorTableSize: Int { 16 * Int(size) }
    /// Bytes of the available ring, `used_event` included; aligned to 2.
    public var availableRingSize: Int { 6 + 2 * Int(size) }
    /// Bytes of the used ring, `avail_event` included; aligned to 4.
    public var usedRingSize: Int { 6 + 8 * Int(size) }

    /// The three parts one behind the other, the used ring on a cache line of its own: offsets and total.
    public var contiguous: (available: Int, used: Int, total: Int) {
        let available = descriptorTableSize
        let used = (available + availableRingSize + 63) & ~63
        return (available, used, (used + usedRingSize + 63) & ~63)
    }
}

/// How a packed queue lies in memory (virtio 1.4, 2.8.10.1).
public struct PackedLayout: Sendable {
    public let size: UInt16

    public init(size: UInt16) { self.size = size }

    /// Bytes of the descriptor ring; aligned to 16.
    public var descriptorRingSize: Int { 16 * Int(size) }
    /// Bytes of the driver's or the device's event suppression structure; aligned to 4.
    public var eventSuppressionSize: Int { 4 }

    /// The three parts one behind the other, each structure on a cache line of its own: offsets and total.
    public var contiguous: (driver: Int, device: Int, total: Int) {
        let driver = (descriptorRingSize + 63) & ~63
        return (driver, driver + 64, driver + 128)
    }
}

/// How a queue of either kind lies in memory when its areas are one behind the other.
public struct QueueLayout: Sendable {
    /// Where the driver area starts; the descriptor area starts at 0.
    public let driverOffset: Int
    /// Where the device area starts.
    public let deviceOffset: Int
    /// Bytes of all three areas.
    public let total: Int

    public init(size: UInt16, features: RingFeatures) {
        (driverOffset, deviceOffset, total) =
            features.contains(.packed) ? PackedLayout(size: size).contiguous : SplitLayout(size: size).contiguous
    }
}
