public import GuestMemory
public import Syscalls
public import Virtqueue

/// A device as a transport sees it (virtio 1.4, 2 "Basic Facilities of a Virtio Device"). The transport owns the status
/// field and the order of calls; the device owns features, configuration space and queues.
public protocol VirtioDevice: AnyObject, Sendable {
    /// The device type, 26 for a file system (virtio 1.4, 5).
    var deviceID: UInt32 { get }
    /// What the device offers.
    var features: FeatureBits { get }
    /// The largest size of each queue, by queue number.
    var queueSizes: [UInt16] { get }
    /// The device's configuration space as it stands (virtio 1.4, 2.5), little-endian.
    var configuration: [UInt8] { get }

    /// Starts to serve a queue. The queue's number is below ``queueSizes``' count, its size within what that allows,
    /// and its features a subset of ``features``.
    ///
    /// - Returns: where the driver's kicks go.
    func startQueue(_ number: Int, _ activation: consuming QueueActivation) throws(RingError) -> Doorbell

    /// Goes on with a running queue in another map of the same memory: regions have come or gone. Chains that the device
    /// has stay good where they are, in the old map, and operations that block for them go on; the next one is looked for
    /// in the new map.
    ///
    /// - Parameter configuration: of the same size and features.
    /// - Throws: where the ring itself is not in the new map. The queue then is as it was.
    func moveQueue(
        _ number: Int, to configuration: QueueConfiguration, memory: GuestMemoryMap
    ) throws(RingError)

    /// Stops to serve a queue and waits until none of its chains is in the device's hands.
    ///
    /// - Returns: where the queue would go on: ``Virtqueue/AvailableReader/nextAvailable``.
    @discardableResult
    func stopQueue(_ number: Int) -> UInt16

    /// Forgets the session (virtio 1.4, 2.4). All queues have been stopped.
    func reset()
}

/// All that a device needs to serve a queue.
public struct QueueActivation: ~Copyable, Sendable {
    public let configuration: QueueConfiguration
    public let memory: GuestMemoryMap
    /// Where a queue in mid-life goes on; nothing for a new one. See ``Virtqueue/AvailableReader/nextAvailable``.
    public let start: UInt16?
    /// Where the driver kicks. A transport that has the driver's own eventfd passes that on; otherwise a new one.
    public let kick: EventDescriptor
    /// Where to keep which chains the device has, so that another can take over from it.
    public let inflight: InflightRegion?
    /// Who wants to know what the device writes into guest memory.
    public let log: QueueLog?
    /// Tells the driver that the device has returned something (a used buffer notification).
    public let interrupt: @Sendable () -> Void
    /// Reports that the driver broke the ring. The device has stopped to look at it.
    public let broken: @Sendable (RingError) -> Void

    public init(
        configuration: QueueConfiguration, memory: GuestMemoryMap, start: UInt16? = nil,
        inflight: InflightRegion? = nil, log: QueueLog? = nil, kick: consuming EventDescriptor,
        interrupt: @escaping @Sendable () -> Void,
        broken: @escaping @Sendable (RingError) -> Void
    ) {
        self.configuration = configuration
        self.memory = memory
        self.start = start
        self.inflight = inflight
        self.log = log
        self.kick = kick
        self.interrupt = interrupt
        self.broken = broken
    }

    /// Hands the eventfd on to who will sleep on it.
    public consuming func takeKick() -> EventDescriptor { kick }
}
