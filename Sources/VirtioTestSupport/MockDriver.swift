public import GuestMemory
import Syscalls
public import SystemPackage
public import Virtio
import Virtqueue

/// A driver for tests: it brings any device up step by step, sends it whatever it is told to, right or wrong, and waits
/// for what comes back no longer than a watchdog allows.
///
/// It trusts the device in nothing and checks what every device must keep to: see ``MockQueue/collect(_:)``. It belongs to
/// one thread.
public final class MockDriver: @unchecked Sendable {
    public let transport: any DriverTransport
    public let memory: MockGuestMemory
    /// What was accepted last.
    public private(set) var features: FeatureBits = []
    /// The queues that have been set up, by number.
    public private(set) var queues: [Int: MockQueue] = [:]
    /// Seconds after which a device that does not answer is taken to hang.
    public var watchdogSeconds = 120
    private let changes = NotificationCounter()
    /// Notifications of any kind.
    let events = NotificationCounter()
    private let unused: MockGuestMemory.Mark

    /// - Parameter memorySize: bytes of guest memory.
    public init(_ transport: any DriverTransport, memorySize: Int = 8 << 20) throws(Errno) {
        self.transport = transport
        memory = try MockGuestMemory(size: memorySize)
        unused = memory.mark
        transport.onConfigurationChange { [changes, events] in
            changes.add()
            events.add()
        }
    }

    // MARK: the steps of device initialization (virtio 1.4, 3.1.1)

    /// Resets the device and forgets all queues.
    public func reset() {
        transport.reset()
        memory.release(to: unused)
        queues = [:]
        features = []
    }

    /// ACKNOWLEDGE.
    public func acknowledge() { transport.setStatus(.acknowledge) }

    /// DRIVER.
    public func announce() { transport.setStatus(.driver) }

    /// Accepts features and sets FEATURES_OK; whether the device let the bit stand.
    @discardableResult
    public func accept(_ features: FeatureBits) -> Bool {
        transport.acceptFeatures(features)
        transport.setStatus(.featuresOK)
        self.features = features
        return transport.status.contains(.featuresOK)
    }

    /// Lays a queue out in guest memory and hands it to the device.
    @discardableResult
    public func setUpQueue(_ number: Int, size: UInt16) throws(TransportError) -> MockQueue {
        let queue = MockQueue(number: number, size: size, features: features.ringFeatures, driver: self)
        try transport.setUpQueue(number, queue.configuration, memory: memory.map) {
            [interrupts = queue.interrupts, events] in
            interrupts.add()
            events.add()
        }
        queues[number] = queue
        return queue
    }

    /// DRIVER_OK: the device serves its queues from here on.
    public func start() {
        transport.setStatus(.driverOK)
        for queue in queues.values { queue.doorbell = transport.doorbell(queue.number) }
    }

    /// All steps at once, from reset to DRIVER_OK, with all of the device's queues.
    ///
    /// - Parameters:
    ///   - features: what to accept of the offer.
    ///   - queueSize: descriptors of each queue.
    public func bringUp(
        features: FeatureBits = [.version1, .indirectDescriptors, .eventIndex], queueSize: UInt16 = 64
    ) throws(TransportError) {
        reset()
        acknowledge()
        announce()
        let accepted = features.intersection(transport.deviceFeatures)
        guard accept(accepted) else { throw .featuresRefused(accepted) }
        for number in 0..<transport.queueCount { try setUpQueue(number, size: queueSize) }
        start()
    }

    // MARK: the queues

    /// The high-priority queue.
    public var hiprio: MockQueue { queues[0]! }
    /// The first request queue of a device without a notification queue.
    public var requests: MockQueue { queues[1]! }

    // MARK: configuration changes

    /// Configuration change notifications so far.
    public var configurationChanges: UInt32 { changes.count }

    /// Waits until DEVICE_NEEDS_RESET is set; whether it was before the watchdog.
    public func waitUntilNeedsReset() -> Bool {
        changes.wait(seconds: watchdogSeconds) { transport.status.contains(.deviceNeedsReset) }
    }
}

/// Why a ``MockDriver`` does not go on. Each is a fault of the device.
public enum MockDriverError: Error, Equatable, Sendable {
    /// The device did not return the chain before the watchdog.
    case hangs(queue: Int)
    /// It returned what it does not have.
    case unknownUsedID(UInt32)
    /// It says that it wrote more than the chain can hold.
    case usedLength(UInt32, capacity: Int)
    /// It wrote outside the buffers that it was given, or into one that it may only read.
    case wroteOutside(GuestAddress)
}
