import CKernel
import GuestMemory
import Logging
import Syscalls
import SystemPackage
import Virtio
import Virtqueue

/// The back end's half of one connection: it offers a device to the front end at the other side of a socket, from the
/// first message to the last. All of it runs on the thread that calls ``serve(stop:)``.
///
/// A mistake in one message is answered where the front end asked for an answer, and ends the connection where it did
/// not. Whatever the end, the device has let go of all queues, and nothing of the connection is left.
final class BackEndConnection {
    /// VHOST_USER_F_PROTOCOL_FEATURES: ``ProtocolFeatures`` can be negotiated (vhost-user, "Communication").
    static let protocolFeaturesBit = FeatureBits(rawValue: 1 << 30)

    let device: any VirtioDevice
    let logger: Logger
    private let stream: MessageStream
    private let broken: BrokenRings

    /// What the front end has accepted, bit 30 included.
    var features: FeatureBits = []
    var protocolFeatures: ProtocolFeatures = []
    var status: DeviceStatus = []
    var memory = MemoryTable()
    let rings: [Ring]
    /// The pages that the device writes, while the front end wants to know.
    let writeLog = WriteLog()
    var log: DirtyLog?
    let logSignal: RingSignal
    /// Where the front end wants records of chains in flight.
    var inflight: (description: InflightDescription, region: GuestRegion)?
    let signals = InBandSignals()

    init(device: any VirtioDevice, socket: consuming OwnedDescriptor, logger: Logger) throws(Errno) {
        self.device = device
        self.logger = logger
        stream = MessageStream(socket: socket)
        broken = try BrokenRings()
        logSignal = try RingSignal()
        rings = try device.queueSizes.indices.map { [signals, writeLog] number throws(Errno) in
            try Ring(number, signals, writeLog)
        }
    }

    var offeredFeatures: FeatureBits { device.features.union([Self.protocolFeaturesBit, Self.logAllBit]) }

    // MARK: the connection

    /// Answers messages until the front end closes the connection or `stop` is readable.
    ///
    /// - Throws: what the front end did wrong.
    func serve(stop: FileDescriptor) throws(ProtocolError) {
        defer { end() }
        while true {
            let ready = Readiness.wait(readable: [stop, stream.descriptor, broken.descriptor])
            if ready[0] { return }
            if ready[2] { stopBrokenRings() }
            guard ready[1] else { continue }
            guard let message = try stream.receive(stop: stop) else { return }
            try answer(message, stop)
        }
    }

    private func answer(_ message: Message, _ stop: FileDescriptor) throws(ProtocolError) {
        let request = message.header.request
        let wantsAcknowledgement = message.header.needsReply && protocolFeatures.contains(.acknowledgements)
        var reply: Reply?
        do throws(ProtocolError) {
            guard !message.header.isReply else { throw .unexpectedReply(request) }
            guard let code = RequestCode(rawValue: request) else { throw .unknownRequest(request) }
            logger.trace("message", metadata: ["request": "\(code)"])
            reply = try handle(code, message)
            if reply == nil && wantsAcknowledgement { reply = Reply(bytes(of: UInt64(0))) }
        } catch {
            let hasReply = RequestCode(rawValue: request)?.hasReply ?? false
            guard wantsAcknowledgement, !hasReply, !error.isFatal else { throw error }
            logger.error("refused a message", metadata: ["request": "\(request)", "error": "\(error)"])
            reply = Reply(bytes(of: UInt64(1)))
        }
        guard let reply else { return }
        try stream.send(
            MessageHeader(request: request, payloadSize: reply.payload.count, isReply: true), reply.payload,
            descriptors: reply.descriptors, stop: stop)
    }

    private func end() {
        stopAllRings()
        device.reset()
        signals.set(nil)
    }

    // MARK: rings

    func ring(_ number: UInt32) throws(ProtocolError) -> (number: Int, ring: Ring) {
        guard number < UInt32(rings.count) else { throw .noSuchQueue(number) }
        return (Int(number), rings[Int(number)])
    }

    /// Starts or stops a ring as its state wants it now (vhost-user, "Ring states"): it has to be started and enabled.
    /// One that the front end has not described completely yet waits for the rest.
    func update(_ number: Int) throws(ProtocolError) {
        let ring = rings[number]
        // Without protocol features nobody could enable it, so it is.
        let isEnabled = ring.isEnabled || !features.contains(Self.protocolFeaturesBit)
        let isComplete = ring.size > 0 && ring.addresses != nil
        let wanted = ring.isStarted && isEnabled && isComplete
        if wanted && !ring.isRunning { try start(number) }
        if !wanted && ring.isRunning { stop(number) }
    }

    private func start(_ number: Int) throws(ProtocolError) {
        let ring = rings[number]
        let configuration = try configuration(of: ring)
        let activation = QueueActivation(
            configuration: configuration, memory: memory.map, start: UInt16(truncatingIfNeeded: ring.base),
            inflight: try inflightRegion(of: number), log: ring.log, kick: try kick(of: ring),
            interrupt: { [call = ring.call] in call.raise() },
            broken: { [broken] error in broken.report(number, error) })
        do throws(RingError) {
            ring.doorbell = try device.startQueue(number, activation)
        } catch {
            throw .ring(error)
        }
        ring.isRunning = true
    }

    private func kick(of ring: Ring) throws(ProtocolError) -> EventDescriptor {
        do throws(Errno) { return try ring.makeKick() } catch { throw .descriptor(error) }
    }

    private func configuration(of ring: Ring) throws(ProtocolError) -> QueueConfiguration {
        let addresses = ring.addresses!
        return QueueConfiguration(
            size: UInt16(ring.size), descriptorArea: try memory.guestAddress(ofUser: addresses.desc_user_addr),
            driverArea: try memory.guestAddress(ofUser: addresses.avail_user_addr),
            deviceArea: try memory.guestAddress(ofUser: addresses.used_user_addr), features: features.ringFeatures)
    }

    /// Takes a queue from the device; from where it goes on is kept.
    func stop(_ number: Int) {
        let next = UInt32(device.stopQueue(number))
        // None of the queue's chains is in the device's hands, so a packed ring returns the next one at the same place.
        rings[number].base = features.contains(.packedRing) ? next | next << 16 : next
        rings[number].isRunning = false
        rings[number].doorbell = nil
    }

    func stopAllRings() {
        for (number, ring) in rings.enumerated() where ring.isRunning { stop(number) }
    }

    /// Makes a change that a running queue can't see happen: all queues are stopped for it and go on where they were.
    func withRingsStopped(_ change: () throws(ProtocolError) -> Void) throws(ProtocolError) {
        stopAllRings()
        var failure: ProtocolError?
        do throws(ProtocolError) { try change() } catch { failure = error }
        for number in rings.indices { try update(number) }
        if let failure { throw failure }
    }

    /// Lets running queues go on in the memory as it is now, without a stop: what is in flight in old memory stays good.
    /// A ring that lies in memory that is gone is stopped.
    func memoryChanged() throws(ProtocolError) {
        var failure: ProtocolError?
        for (number, ring) in rings.enumerated() {
            do throws(ProtocolError) {
                if ring.isRunning { try move(number) } else { try update(number) }
            } catch {
                if ring.isRunning { stop(number) }
                failure = error
            }
        }
        if let failure { throw failure }
        try updateLog()
    }

    private func move(_ number: Int) throws(ProtocolError) {
        let configuration = try configuration(of: rings[number])
        do throws(RingError) {
            try device.moveQueue(number, to: configuration, memory: memory.map)
        } catch {
            throw .ring(error)
        }
    }

    private func stopBrokenRings() {
        for (number, error) in broken.take() where rings[number].isRunning {
            logger.error("the driver broke a ring", metadata: ["queue": "\(number)", "error": "\(error)"])
            rings[number].isBroken = true
            stop(number)
            rings[number].error.raise()
        }
    }
}
