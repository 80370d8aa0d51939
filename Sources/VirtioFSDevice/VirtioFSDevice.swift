import CKernel
public import GuestMemory
public import Logging
import Syscalls
public import Virtio
public import Virtqueue

/// A virtio-fs device: device type 26, serving a ``FileSystem`` (virtio 1.4, 5.11).
public final class VirtioFSDevice<Files: FileSystem>: VirtioDevice, @unchecked Sendable {
    public let session: FUSESession<Files>
    public let settings: DeviceSettings
    private let logger: Logger
    private let lock = Lock()
    /// The running queues by number; guarded by `lock`.
    private var servers: [Int: QueueServer<Files>] = [:]

    public init(files: Files, settings: DeviceSettings, logger: Logger = Logger(label: "virtiofs.device")) {
        session = FUSESession(files: files, limits: settings.limits)
        self.settings = settings
        self.logger = logger
    }

    public var deviceID: UInt32 { UInt32(VIRTIO_ID_FS) }

    public var features: FeatureBits { [.version1, .indirectDescriptors, .eventIndex, .packedRing] }

    /// The hiprio queue, then the request queues (virtio 1.4, 5.11.2).
    public var queueSizes: [UInt16] {
        Array(repeating: settings.largestQueueSize, count: 1 + Int(settings.requestQueueCount))
    }

    public var configuration: [UInt8] { settings.configurationSpace }

    public func startQueue(_ number: Int, _ activation: consuming QueueActivation) throws(RingError) -> Doorbell {
        let server = try QueueServer(
            number: number, activation: activation, session: session, options: settings.service, logger: logger)
        lock.withLock { servers[number] = server }
        return server.doorbell
    }

    public func moveQueue(
        _ number: Int, to configuration: QueueConfiguration, memory: GuestMemoryMap
    ) throws(RingError) {
        try lock.withLock({ servers[number] })?.move(to: configuration, memory: memory)
    }

    @discardableResult
    public func stopQueue(_ number: Int) -> UInt16 {
        guard let server = lock.withLock({ servers.removeValue(forKey: number) }) else { return 0 }
        return server.stop()
    }

    public func reset() { session.end() }
}
