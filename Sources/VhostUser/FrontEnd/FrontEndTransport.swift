import CKernel
public import GuestMemory
public import Syscalls
public import SystemPackage
public import Virtio
public import Virtqueue

/// The transport by which a driver of this process uses a device of another: the front end of vhost-user. It plays the
/// part that a virtual machine's monitor plays between a guest's driver and a back end.
public final class FrontEndTransport: DriverTransport, @unchecked Sendable {
    struct PendingQueue {
        var configuration: QueueConfiguration
        var memory: GuestMemoryMap
        var interrupt: @Sendable () -> Void
    }

    /// What changes; guarded by `lock`, which is never held while the back end is asked something.
    struct State {
        var connection: FrontEndConnection
        var status: DeviceStatus = []
        var accepted: FeatureBits = []
        var pending: [Int: PendingQueue] = [:]
        var rings: [Int: RingEvents] = [:]
        var inflight: InflightFile?
        var log: PageLog?
        var interrupts: InterruptThread?
        var changeHandler: (@Sendable () -> Void)?
    }

    let lock = Lock()
    var state: State

    public let deviceFeatures: FeatureBits
    public let queueCount: Int
    let options: FrontEndOptions

    /// Connects to who listens at `path`.
    public convenience init(path: FilePath, options: FrontEndOptions = FrontEndOptions()) throws(FrontEndError) {
        try self.init(socket: try Self.connect(path), options: options)
    }

    static func connect(_ path: FilePath) throws(FrontEndError) -> OwnedDescriptor {
        do throws(Errno) { return try FileDescriptor.connected(to: path) } catch { throw .system(error) }
    }

    /// Takes a connection over, as far as the back end's features are known.
    public init(
        socket: consuming OwnedDescriptor, options: FrontEndOptions = FrontEndOptions()
    ) throws(FrontEndError) {
        let connection = try FrontEndConnection(socket: socket, options: options)
        deviceFeatures = connection.deviceFeatures
        queueCount = try connection.askQueueCount() ?? 1 + Int(options.requestQueueCount)
        state = State(connection: connection)
        self.options = options
    }

    deinit { lock.withLock { state.interrupts }?.stop() }

    var connection: FrontEndConnection { lock.withLock { state.connection } }
    var channel: FrontEndChannel { connection.channel }
    var protocolFeatures: ProtocolFeatures { connection.protocolFeatures }

    // MARK: status and features

    /// The protocol has none: who speaks it knows what the device is.
    public var deviceID: UInt32 { UInt32(VIRTIO_ID_FS) }

    public var status: DeviceStatus { lock.withLock { state.status } }

    public func setStatus(_ bits: DeviceStatus) {
        let before = status
        do throws(FrontEndError) {
            if bits.contains(.featuresOK) { try settleFeatures() }
            lock.withLock { state.status.formUnion(bits) }
            if bits.contains(.driverOK) && !before.contains(.driverOK) { try start() }
            try reportStatus()
        } catch {
            needsReset()
        }
    }

    /// Tells the back end the features; where it does not take them, or takes FEATURES_OK back, the bit stays clear.
    func settleFeatures(logging: Bool = false) throws(FrontEndError) {
        let (connection, accepted) = lock.withLock { (state.connection, state.accepted) }
        var features = accepted.union(connection.extraFeatures)
        if logging { features.insert(BackEndConnection.logAllBit) }
        try connection.channel.tell(.setFeatures, bytes(of: features.rawValue))
    }

    func reportStatus() throws(FrontEndError) {
        let connection = connection
        guard connection.protocolFeatures.contains(.status) else { return }
        let wanted = status
        try connection.channel.tell(.setStatus, bytes(of: UInt64(wanted.rawValue)))
        let found = DeviceStatus(
            rawValue: UInt8(truncatingIfNeeded: try connection.channel.askNumber(.getStatus)))
        lock.withLock { state.status = found }
    }

    public func acceptFeatures(_ features: FeatureBits) {
        lock.withLock {
            if !state.status.contains(.featuresOK) { state.accepted = features }
        }
    }

    func needsReset() {
        let handler = lock.withLock { () -> (@Sendable () -> Void)? in
            state.status.insert(.deviceNeedsReset)
            return state.changeHandler
        }
        handler?()
    }

    public func onConfigurationChange(_ handler: (@Sendable () -> Void)?) {
        lock.withLock { state.changeHandler = handler }
    }

    // MARK: configuration space

    /// The protocol knows of no generations: what it carries comes in one message.
    public var configurationGeneration: UInt32 { 0 }

    public func readConfiguration(at offset: Int, count: Int) -> [UInt8] {
        guard offset >= 0, count >= 0, offset + count <= ConfigurationHead.largestSize else { return [] }
        guard protocolFeatures.contains(.configuration) else {
            return Array(madeUpConfiguration.dropFirst(offset).prefix(count))
        }
        let head = ConfigurationHead(offset: UInt32(offset), size: UInt32(count))
        let question = bytes(of: head) + [UInt8](repeating: 0, count: count)
        let reply = (try? channel.ask(.getConfiguration, question))?.payload ?? []
        guard reply.count == question.count else { return [] }
        return Array(reply.dropFirst(MemoryLayout<ConfigurationHead>.size))
    }

    private var madeUpConfiguration: [UInt8] {
        let tag = Array(options.tag.utf8.prefix(36))
        return tag + [UInt8](repeating: 0, count: 36 - tag.count) + bytes(of: options.requestQueueCount.littleEndian)
    }

    // MARK: queues

    /// The protocol does not tell; a queue that is too large is refused when it is set up.
    private static let largestQueueSize: UInt16 = 1024

    public func largestQueueSize(_ number: Int) -> UInt16 {
        (0..<queueCount).contains(number) ? Self.largestQueueSize : 0
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
            configuration.features = state.accepted.ringFeatures
            state.pending[number] = PendingQueue(
                configuration: configuration, memory: memory, interrupt: interrupt)
        }
    }

    public func doorbell(_ number: Int) -> Doorbell? { lock.withLock { state.rings[number]?.kick } }
}
