import CKernel

/// The device status field (virtio 1.4, 2.1): how far the driver has brought the device up.
public struct DeviceStatus: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let acknowledge = DeviceStatus(rawValue: UInt8(VIRTIO_CONFIG_S_ACKNOWLEDGE))
    public static let driver = DeviceStatus(rawValue: UInt8(VIRTIO_CONFIG_S_DRIVER))
    public static let driverOK = DeviceStatus(rawValue: UInt8(VIRTIO_CONFIG_S_DRIVER_OK))
    public static let featuresOK = DeviceStatus(rawValue: UInt8(VIRTIO_CONFIG_S_FEATURES_OK))
    /// The device has met an error that only a reset ends.
    public static let deviceNeedsReset = DeviceStatus(rawValue: UInt8(VIRTIO_CONFIG_S_NEEDS_RESET))
    /// The driver has given up on the device.
    public static let failed = DeviceStatus(rawValue: UInt8(VIRTIO_CONFIG_S_FAILED))
}
