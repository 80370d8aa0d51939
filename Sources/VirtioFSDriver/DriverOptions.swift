/// How the driver uses a device.
public struct DriverOptions: Sendable {
    /// Request queues to use, of those that the device has.
    public var requestQueueCount = 1
    /// Descriptors of each queue; a power of two. The device may allow less.
    public var queueSize: UInt16 = 128
    /// Whether to use packed virtqueues where the device has them.
    public var usesPackedRings = false
    /// Bytes of data in one READ or WRITE.
    public var largestPayload = 1 << 20
    /// The tag that the device must carry; nothing takes any.
    public var tag: String?

    public init() {}
}
