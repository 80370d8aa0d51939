import GuestMemory
import Syscalls
import Virtio
import Virtqueue

/// A transport that writes down what the driver does to the device.
final class RecordingTransport: DriverTransport, @unchecked Sendable {
    private let inner: InProcessTransport
    let steps = Journal<String>()
    private let lock = Lock()
    private var lastAccepted: FeatureBits = []

    init(_ inner: InProcessTransport) { self.inner = inner }

    /// The features that the driver took last.
    var accepted: FeatureBits { lock.withLock { lastAccepted } }

    var deviceID: UInt32 { inner.deviceID }
    var deviceFeatures: FeatureBits { inner.deviceFeatures }
    var queueCount: Int { inner.queueCount }
    var status: DeviceStatus { inner.status }
    var configurationGeneration: UInt32 { inner.configurationGeneration }

    func setStatus(_ bits: DeviceStatus) {
        steps.append("status \(bits.rawValue)")
        inner.setStatus(bits)
    }
    func reset() {
        steps.append("reset")
        inner.reset()
    }
    func acceptFeatures(_ features: FeatureBits) {
        steps.append("features")
        lock.withLock { lastAccepted = features }
        inner.acceptFeatures(features)
    }
    func readConfiguration(at offset: Int, count: Int) -> [UInt8] { inner.readConfiguration(at: offset, count: count) }
    func largestQueueSize(_ number: Int) -> UInt16 { inner.largestQueueSize(number) }
    func setUpQueue(
        _ number: Int, _ configuration: QueueConfiguration, memory: GuestMemoryMap,
        interrupt: @escaping @Sendable () -> Void
    ) throws(TransportError) {
        steps.append("queue \(number)")
        try inner.setUpQueue(number, configuration, memory: memory, interrupt: interrupt)
    }
    func doorbell(_ number: Int) -> Doorbell? { inner.doorbell(number) }
    func onConfigurationChange(_ handler: (@Sendable () -> Void)?) { inner.onConfigurationChange(handler) }
}
