import FUSEWire
import CKernel
import GuestMemory
public import Logging
import Synchronization
import Syscalls
public import SystemPackage
public import Virtio
import Virtqueue

/// The simulated guest: a virtio-fs driver (virtio 1.4, 5.11) that puts FUSE requests into virtqueues and takes the
/// replies out.
public final class VirtioFSDriver: @unchecked Sendable {
    /// The tag in the device's configuration space.
    public let tag: String
    public let ledger: NodeLedger
    public let requestQueueCount: Int
    /// Bytes of the longest request; the data of a WRITE is 80 less.
    public let largestRequest: Int

    let transport: any DriverTransport
    let logger: Logger
    private let options: DriverOptions
    private let arena: DriverArena
    /// What was negotiated first; the arena is laid out for it.
    private let features: FeatureBits
    /// The hiprio queue, then the request queues.
    @exclusivity(unchecked) private(set) var queues: [RequestQueue] = []
    private let replies: ReplySink
    /// See ``onInterruptOfParked(_:)``.
    @exclusivity(unchecked) private(set) var endsParked: @Sendable (RequestHead) -> Bool = { _ in true }
    @exclusivity(unchecked) private var keeper: SessionKeeper?
    /// Whether the session is being ended: one that breaks then is not worth mending.
    private let isClosing = Atomic<Bool>(false)

    /// Brings a device up (virtio 1.4, 3.1) as far as DRIVER_OK.
    public init(
        transport: any DriverTransport, options: DriverOptions = DriverOptions(),
        logger: Logger = Logger(label: "virtiofs.driver")
    ) throws(DriverError) {
        self.transport = transport
        self.options = options
        self.logger = logger
        ledger = NodeLedger()
        replies = ReplySink(ledger)
        let probe = try Self.negotiate(transport, options)
        tag = probe.tag
        features = probe.features
        requestQueueCount = probe.requestQueueCount
        do throws(Errno) {
            arena = try DriverArena(
                queueSizes: probe.queueSizes, largestPayload: options.largestPayload, features: probe.features)
        } catch {
            throw .system(error)
        }
        largestRequest = arena.requestLayout.largestRequest
        do throws(DriverError) {
            for number in arena.queues.indices {
                let queue = arena.makeQueue(number, ring: try ring(number), replies: replies, driver: self)
                queues.append(queue)
                try setUp(queue)
            }
            try start()
        } catch {
            transport.setStatus(.failed)
            throw error
        }
        keeper = SessionKeeper(driver: self)
        transport.onConfigurationChange { [weak self] in self?.configurationChanged() }
    }

    /// The driver's half of a fresh ring.
    private func ring(_ number: Int) throws(DriverError) -> DriverQueue {
        do throws(RingError) {
            return try DriverQueue(arena.prepareRing(number), memory: arena.map)
        } catch {
            throw .ring(error)
        }
    }

    /// Hands a queue's fresh ring to the device.
    private func setUp(_ queue: RequestQueue) throws(DriverError) {
        let configuration = arena.configuration(queue.number)
        do throws(TransportError) {
            try transport.setUpQueue(queue.number, configuration, memory: arena.map) { [queue] in queue.completeUsed() }
        } catch {
            throw .transport(error)
        }
    }

    private func start() throws(DriverError) {
        transport.setStatus(.driverOK)
        for queue in queues {
            guard let doorbell = transport.doorbell(queue.number) else { throw .transport(.noSuchQueue(queue.number)) }
            queue.setDoorbell(doorbell)
        }
    }

    /// Resets the device. Nothing is in flight: all calls have been answered.
    public func shutDown() {
        keeper?.stop()
        transport.onConfigurationChange(nil)
        transport.reset()
    }

    // MARK: requests

    /// The queue on which thread number `index` of the client's sends.
    func requestQueue(_ index: Int) -> RequestQueue { queues[1 + index % requestQueueCount] }

    var hiprioQueue: RequestQueue { queues[0] }

    /// Sets where replies go; before the first request.
    public func onReply(_ handler: @escaping @Sendable (Reply) -> Void) { replies.set(handler) }

    /// Sets whether an INTERRUPT for a request that has found no free slot yet ends it with EINTR, or leaves it to go out in
    /// its turn; before the first request. Without this, it ends.
    public func onInterruptOfParked(_ decision: @escaping @Sendable (RequestHead) -> Bool) { endsParked = decision }

    /// Sends a request of the hiprio kind (virtio 1.4, 5.11.6.2), from private memory.
    func submitHighPriority(_ request: UnsafeRawBufferPointer, lending: Bool) {
        hiprioQueue.post(request, lending: lending)
    }

    // MARK: breaking and mending

    /// The device returned what it does not have, or more than it was given.
    func ringBroke(_ queue: RequestQueue, _ error: RingError) {
        logger.error("the device broke a ring", metadata: ["queue": "\(queue.number)", "error": "\(error)"])
        // At once: the keeper itself may be waiting for an answer on this queue.
        queue.fail()
        mendOrGiveUp()
    }

    private func mendOrGiveUp() {
        guard isClosing.load(ordering: .acquiring) else {
            keeper?.wake()
            return
        }
        for queue in queues { queue.die() }
    }

    private func configurationChanged() {
        guard transport.status.contains(.deviceNeedsReset) else { return }
        for queue in queues { queue.fail() }
        mendOrGiveUp()
    }

    /// Gives up what is in flight, resets the device and starts a new session as the old one was
    /// (virtio 1.4, 2.1.1: status.driver-distrusts-needs-reset).
    func recover() throws(DriverError) {
        for queue in queues { queue.fail() }
        transport.reset()
        ledger.clear()
        let probe = try Self.negotiate(transport, options)
        guard probe.features == features else { throw .features(offered: probe.features) }
        for queue in queues {
            queue.restart(try ring(queue.number))
            try setUp(queue)
        }
        try start()
        try openSessionAgain()
        for queue in queues { queue.resume() }
    }

    /// Answers EIO to everything from here on (init.driver-sets-failed).
    func giveUp() {
        transport.setStatus(.failed)
        for queue in queues { queue.die() }
    }

    private func openSessionAgain() throws(DriverError) {
        guard let request = keeper?.initRequest else { return }
        do throws(Errno) {
            _ = try call(request, internally: true)
        } catch {
            throw .system(error)
        }
    }

    /// The session has been opened with this INIT; every new one is opened with it too.
    public func sessionOpened(with request: [UInt8]) {
        isClosing.store(false, ordering: .releasing)
        keeper?.initRequest = request
        for queue in queues { queue.resume() }
    }

    // MARK: calls that wait

    /// Sends a whole request and waits for its reply: the payload.
    ///
    /// - Throws: the reply's error; EINVAL for what is no request, or longer than ``largestRequest``.
    public func call(_ request: [UInt8], queue index: Int = 0, internally: Bool = false) throws(Errno) -> [UInt8] {
        guard RequestHead(request) != nil, request.count <= largestRequest else { throw .invalidArgument }
        let pending = BlockingRequest()
        let queue = requestQueue(index)
        request.withUnsafeBytes { bytes in
            guard let slot = queue.acquireSlot() else {
                queue.submitOrPark(bytes, call: pending)
                return
            }
            if bytes.count > SlotLayout.headSize {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[SlotLayout.headSize...])
                (queue.base(of: slot) + SlotLayout.payloadOffset).copyMemory(
                    from: rest.baseAddress!, byteCount: rest.count)
            }
            queue.submit(
                slot, head: bytes, length: bytes.count, call: pending, internally: internally, lending: false)
        }
        return try pending.wait()
    }

    /// Sends a whole request that is never answered: FORGET, BATCH_FORGET, INTERRUPT.
    public func post(_ request: [UInt8]) {
        request.withUnsafeBytes { sendHighPriority($0) }
    }
}

extension VirtioFSDriver {
    /// The session is about to be ended by a DESTROY: should the device go away with it, that is no fault.
    func sessionCloses() { isClosing.store(true, ordering: .releasing) }

    /// The `unique` of DESTROY: even, as all but INTERRUPT's are (`FUSE_INT_REQ_BIT`), and no kernel counts that far. Zero
    /// marks a notification, and QEMU's virtiofsd aborts where it has to answer it.
    private static let lastUnique = UInt64.max - 1

    /// Sends DESTROY and waits for the answer: the device drops all nodes and handles.
    public func closeSession() {
        sessionCloses()
        let header = fuse_in_header(
            len: UInt32(MemoryLayout<fuse_in_header>.size), opcode: Opcode.destroy.rawValue, unique: Self.lastUnique,
            nodeid: 0,
            uid: 0, gid: 0, pid: 0, total_extlen: 0, padding: 0)
        do throws(Errno) {
            _ = try call(withUnsafeBytes(of: header) { Array($0) })
        } catch {
            logger.debug("DESTROY was refused", metadata: ["error": "\(error)"])
        }
    }
}
