public import GuestMemory
import Syscalls
public import Virtio
public import Virtqueue

/// A device for tests of drivers: what it answers is up to a script, which may be as wrong as it likes.
///
/// Each queue has a thread that takes chains in order and hands each to the script. The script answers with
/// ``MockChain/answer(error:payload:)``, or with any bytes, any used id and length; at once or later, from any thread; or
/// never.
public final class MockDevice: VirtioDevice, @unchecked Sendable {
    public typealias Script = @Sendable (MockChain) -> Void

    /// What the device claims to be; every part may be changed between two resets.
    public struct Claims: Sendable {
        public var deviceID: UInt32 = 26
        public var features: FeatureBits = [.version1, .indirectDescriptors, .eventIndex]
        public var queueSizes: [UInt16] = [64, 64]
        public var configuration: [UInt8]
        /// Interrupts only where the driver asks for it, with an event index; else with each chain.
        public var heedsEvents = false
        /// Refuses to start any queue.
        public var refusesQueues = false

        /// - Parameter requestQueueCount: request queues beside the hiprio queue.
        public init(tag: String = "mock", requestQueueCount: Int = 1) {
            configuration = Array(tag.utf8) + [UInt8](repeating: 0, count: 36 - tag.utf8.count)
            configuration += withUnsafeBytes(of: UInt32(requestQueueCount).littleEndian) { Array($0) }
            queueSizes = [UInt16](repeating: 64, count: 1 + requestQueueCount)
        }
    }

    private let lock = Lock()
    private var currentClaims: Claims
    private var currentScript: Script
    private var queues: [Int: MockDeviceQueue] = [:]
    private var resetCount = 0

    public init(_ claims: Claims = Claims(), script: @escaping Script) {
        currentClaims = claims
        currentScript = script
    }

    public var claims: Claims {
        get { lock.withLock { currentClaims } }
        set { lock.withLock { currentClaims = newValue } }
    }

    /// What answers the chains that are taken from here on.
    public var script: Script {
        get { lock.withLock { currentScript } }
        set { lock.withLock { currentScript = newValue } }
    }

    /// How often the driver has reset the device.
    public var resets: Int { lock.withLock { resetCount } }

    /// A queue while it runs.
    public func queue(_ number: Int) -> MockDeviceQueue? { lock.withLock { queues[number] } }

    // MARK: what a transport sees

    public var deviceID: UInt32 { claims.deviceID }
    public var features: FeatureBits { claims.features }
    public var queueSizes: [UInt16] { claims.queueSizes }
    public var configuration: [UInt8] { claims.configuration }

    public func startQueue(_ number: Int, _ activation: consuming QueueActivation) throws(RingError) -> Doorbell {
        if claims.refusesQueues { throw .ringOutsideMemory }
        let heedsEvents = claims.heedsEvents
        let queue = MockDeviceQueue(number: number, activation: activation, heedsEvents: heedsEvents) {
            [weak self] chain in
            self?.script(chain)
        }
        lock.withLock { queues[number] = queue }
        return queue.doorbell
    }

    /// A queue of a mock device stays where it is.
    public func moveQueue(
        _ number: Int, to configuration: QueueConfiguration, memory: GuestMemoryMap
    ) throws(RingError) {
        throw .ringOutsideMemory
    }

    @discardableResult
    public func stopQueue(_ number: Int) -> UInt16 {
        guard let queue = lock.withLock({ queues.removeValue(forKey: number) }) else { return 0 }
        return queue.stop()
    }

    public func reset() { lock.withLock { resetCount += 1 } }
}
