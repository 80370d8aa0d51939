import CKernel
public import Virtqueue

/// The feature bits that driver and device negotiate (virtio 1.4, 2.2 and 6). Bits 0 to 23 belong to the device type.
public struct FeatureBits: OptionSet, Hashable, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public init(bit: Int32) { self.init(rawValue: 1 << UInt64(bit)) }

    /// VIRTIO_FS_F_NOTIFICATION: the device has a notification queue (virtio 1.4, 5.11.3).
    public static let fileSystemNotification = FeatureBits(rawValue: 1)
    /// VIRTIO_F_INDIRECT_DESC.
    public static let indirectDescriptors = FeatureBits(bit: VIRTIO_RING_F_INDIRECT_DESC)
    /// VIRTIO_F_EVENT_IDX.
    public static let eventIndex = FeatureBits(bit: VIRTIO_RING_F_EVENT_IDX)
    /// VIRTIO_F_VERSION_1: neither side is a legacy one. Without it this project's driver and device do not work.
    public static let version1 = FeatureBits(bit: VIRTIO_F_VERSION_1)
    /// VIRTIO_F_RING_PACKED: packed virtqueues in place of split ones.
    public static let packedRing = FeatureBits(bit: VIRTIO_F_RING_PACKED)

    /// What of this concerns the rings.
    public var ringFeatures: RingFeatures {
        var features: RingFeatures = []
        if contains(.indirectDescriptors) { features.insert(.indirectDescriptors) }
        if contains(.eventIndex) { features.insert(.eventIndex) }
        if contains(.packedRing) { features.insert(.packed) }
        return features
    }
}

extension FeatureBits: CustomStringConvertible {
    public var description: String { "0x" + String(rawValue, radix: 16) }
}
