public import GuestMemory
import Syscalls
import SystemPackage
public import Virtqueue

/// The transport that joins a driver and a device of one process. It has the registers that a PCI or MMIO transport
/// would have (virtio 1.4, 4), as methods.
public final class InProcessTransport: DriverTransport, @unchecked Sendable {
    private struct PendingQueue {
        var configuration: QueueConfiguration
        var memory: GuestMemoryMap
        var interrupt: @Sendable () -> Void
    }

    private let device: any VirtioDevice
    private let lock = Lock()
    private var statusBits: DeviceStatus = []
    private var accepted: FeatureBits = []
    private var generation: UInt32 = 0
    private var pending: [Int: PendingQueue] = [:]
    private var doorbells: [Int: Doorbell] = [:]
    private var changeHandler: (@Sendable () -> Void)?

    public init(device: any VirtioDevice) { self.device = device }

    public var deviceID: UInt32 { device.deviceID }
    public var deviceFeatures: FeatureBits { device.features }
    public var queueCount: Int { device.queueSizes.count }
    public var status: DeviceStatus { lock.withLock { statusBits } }
    public var configurationGeneration: UInt32 { lock.withLock { generation } }

    public func setStatus(_ bits: DeviceStatus) {
        let before = lock.withLock { () -> DeviceStatus in
            let before = statusBits
            statusBits.formUnion(acceptable(bits))
            return before
        }
        if bits.contains(.driverOK) && !before.contains(.driverOK) { start() }
    }

    /// FEATURES_OK stays clear for features that the device can't work with (virtio 1.4, 2.2.2: feat.device-*), and
    /// DRIVER_OK without FEATURES_OK does nothing.
    private func acceptable(_ bits: DeviceStatus) -> DeviceStatus {
        var bits = bits
        let usable = device.features.isSuperset(of: accepted) && accepted.contains(.version1)
        if bits.contains(.featuresOK) && !usable { bits.remove(.featuresOK) }
        if bits.contains(.driverOK) && !statusBits.union(bits).contains(.featuresOK) { bits.remove(.driverOK) }
        return bits.subtracting(.deviceNeedsReset)
    }

    public func acceptFeatures(_ features: FeatureBits) {
        lock.withLock {
            // Once FEATURES_OK is set, the device accepts no change (virtio 1.4, 2.2.2).
            if !statusBits.contains(.featuresOK) { accepted = features }
        }
    }

    public func readConfiguration(at offset: Int, count: Int) -> [UInt8] {
        let space = device.configuration
        guard offset >= 0, count >= 0, offset <= space.count else { return [] }
        return Array(space[offset...].prefix(count))
    }

    public func largestQueueSize(_ number: Int) -> UInt16 {
        let sizes = device.queueSizes
        return sizes.indices.contains(number) ? sizes[number] : 0
    }

    public func setUpQueue(
        _ number: Int, _ configuration: QueueConfiguration, memory: GuestMemoryMap,
        interrupt: @escaping @Sendable () -> Void
    ) throws(TransportError) {
        let largest = largestQueueSize(number)
        guard largest > 0 else { throw .noSuchQueue(number) }
        guard configuration.size > 0, configuration.size <= largest else {
            throw .queueSize(configuration.size, largest: largest)
        }
        lock.withLock {
            var configuration = configuration
            configuration.features = accepted.ringFeatures
            pending[number] = PendingQueue(configuration: configuration, memory: memory, interrupt: interrupt)
        }
    }

    public func doorbell(_ number: Int) -> Doorbell? { lock.withLock { doorbells[number] } }

    public func onConfigurationChange(_ handler: (@Sendable () -> Void)?) {
        lock.withLock { changeHandler = handler }
    }

    /// DRIVER_OK: from here on the device serves its queues.
    private func start() {
        for (number, queue) in lock.withLock({ pending }) {
            do {
                let activation = QueueActivation(
                    configuration: queue.configuration, memory: queue.memory, kick: try EventDescriptor(),
                    interrupt: queue.interrupt, broken: { [weak self] _ in self?.needsReset() })
                let doorbell = try device.startQueue(number, activation)
                lock.withLock { doorbells[number] = doorbell }
            } catch {
                needsReset()
            }
        }
    }

    /// The device can't go on: it says so in its status, and in a configuration change notification
    /// (virtio 1.4, 2.1.2: status.device-needs-reset).
    func needsReset() {
        let handler = lock.withLock { () -> (@Sendable () -> Void)? in
            statusBits.insert(.deviceNeedsReset)
            return changeHandler
        }
        handler?()
    }

    /// Tells the driver that the configuration space has changed.
    public func configurationChanged() {
        let handler = lock.withLock { () -> (@Sendable () -> Void)? in
            generation &+= 1
            return changeHandler
        }
        handler?()
    }

    public func reset() {
        let running = lock.withLock { () -> [Int] in
            let running = Array(doorbells.keys)
            doorbells = [:]
            pending = [:]
            return running
        }
        for number in running { device.stopQueue(number) }
        device.reset()
        lock.withLock {
            statusBits = []
            accepted = []
        }
    }
}
