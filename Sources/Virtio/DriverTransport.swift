public import GuestMemory
public import SystemPackage
public import Virtqueue

/// A device as its driver sees it, whatever carries it: in process, or a vhost-user socket.
public protocol DriverTransport: AnyObject, Sendable {
    /// The device type, 26 for a file system (virtio 1.4, 5).
    var deviceID: UInt32 { get }
    /// What the device offers.
    var deviceFeatures: FeatureBits { get }
    /// Queues of the device.
    var queueCount: Int { get }

    /// The device status field as the driver reads it (virtio 1.4, 2.1).
    var status: DeviceStatus { get }
    /// Sets status bits beside those that are set. To take bits back, ``reset()``.
    ///
    /// FEATURES_OK is what makes the device look at the accepted features: the driver reads ``status`` again to see
    /// whether the bit has stayed (virtio 1.4, 3.1.1).
    func setStatus(_ bits: DeviceStatus)
    /// Resets the device and returns when it has let go of all buffers (virtio 1.4, 2.4).
    func reset()

    /// The features that the driver takes, before FEATURES_OK.
    func acceptFeatures(_ features: FeatureBits)

    /// Reads the device's configuration space (virtio 1.4, 2.5).
    func readConfiguration(at offset: Int, count: Int) -> [UInt8]
    /// Changes whenever the configuration space does: read it before and after, and read again if it moved.
    var configurationGeneration: UInt32 { get }

    /// The largest size that queue can have; zero if there is none of that number.
    func largestQueueSize(_ number: Int) -> UInt16

    /// Hands a queue's addresses to the device; after FEATURES_OK and before DRIVER_OK.
    ///
    /// - Parameter interrupt: runs, on a thread of the device's, when the device has returned something.
    func setUpQueue(
        _ number: Int, _ configuration: QueueConfiguration, memory: GuestMemoryMap,
        interrupt: @escaping @Sendable () -> Void
    ) throws(TransportError)

    /// Where the driver kicks a queue; after DRIVER_OK.
    func doorbell(_ number: Int) -> Doorbell?

    /// Runs when the device has changed its configuration or set DEVICE_NEEDS_RESET (a configuration change
    /// notification, virtio 1.4, 2.3).
    func onConfigurationChange(_ handler: (@Sendable () -> Void)?)
}

/// Why a device could not be brought up.
public enum TransportError: Error, Equatable, Sendable {
    case notAFileSystem(deviceID: UInt32)
    case featuresRefused(FeatureBits)
    case noSuchQueue(Int)
    case queueSize(UInt16, largest: UInt16)
    case ring(RingError)
    case system(Errno)
}
