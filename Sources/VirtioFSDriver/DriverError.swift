public import SystemPackage
public import Virtio
public import Virtqueue

/// Why the driver can't use a device.
public enum DriverError: Error, Equatable, Sendable {
    /// The transport could not be set up.
    case transport(TransportError)
    /// The device lacks VIRTIO_F_VERSION_1 or refused what the driver accepted.
    case features(offered: FeatureBits)
    /// The configuration space is too short, or says that there are no request queues.
    case configuration
    /// The device's tag is not the one that was asked for.
    case tag(found: String)
    /// Its queues can't hold a request of a file system: that takes four descriptors.
    case queueTooSmall(UInt16)
    case ring(RingError)
    case system(Errno)
}
