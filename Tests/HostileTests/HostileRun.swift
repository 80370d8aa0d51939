import CKernel
import FUSEWire
import GuestMemory
import HostDirectory
import Logging
import SystemPackage
import Testing
import Virtio
import VirtioFSDevice
import VirtioTestSupport
import Virtqueue

/// One run of generated cases against one device.
final class HostileRun {
    let share: HostileShare
    let files: HostDirectory
    let transport: InProcessTransport
    let driver: MockDriver
    private(set) var tally = Tally()
    private(set) var chainOutcomes: [String: Int] = [:]
    private var forge: RequestForge
    private var chains: ChainForge!
    private let writer: ForeignWriter
    /// Descriptors that the device holds without a session.
    let descriptorsBefore: Int

    init(seed: UInt64, kick: ServiceOptions.KickPolicy) throws {
        share = try HostileShare()
        files = try HostDirectory(path: share.path)
        var settings = try #require(DeviceSettings(tag: "hostile"))
        settings.service.kick = kick
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        transport = InProcessTransport(device: VirtioFSDevice(files: files, settings: settings, logger: quiet))
        driver = try MockDriver(transport, memorySize: 4 << 20)
        forge = RequestForge(seed: seed)
        writer = try ForeignWriter()
        descriptorsBefore = try share.openDescriptorCount
        try openSession()
    }

    deinit { transport.reset() }

    /// Brings the device up anew and opens a session.
    private func openSession() throws {
        try driver.bringUp(features: [.version1, .indirectDescriptors])
        chains = ChainForge(driver)
        try initialize()
    }

    private func initialize() throws {
        forge.pools.clear()
        let answer = try driver.requests.send(FUSEMessage.initialize().bytes)
        try #require(answer.reply?.errno == 0)
    }

    // MARK: requests

    /// Sends one request in a right chain and checks what comes back.
    func sendRequest() throws {
        let request = forge.next()
        let writable = rooms(request.room)
        let answer = try queue(for: request).send(
            request.bytes, cuts: forge.generator.once(in: 4) ? [1, 39, 8, 3] : [], writable: writable,
            layout: forge.generator.pick(ChainLayout.allCases), lending: !forge.generator.once(in: 8))
        try check(request, answer, capacity: writable.reduce(0, +))
    }

    /// Sends several requests at once and collects them in another order.
    func sendBurst() throws {
        let requests = (0..<6).map { _ in forge.next() }.filter { !endsSession($0) }
        let sent = requests.map { request in
            let writable = rooms(request.room)
            let queue = queue(for: request)
            return (request, queue, queue.submit(request.bytes, writable: writable), writable.reduce(0, +))
        }
        for (request, queue, chain, capacity) in sent.shuffled(using: &forge.generator) {
            try check(request, queue.collect(chain), capacity: capacity)
        }
    }

    /// Changes a request's arguments while the device serves it.
    func changeInFlight() throws {
        let request = forge.next()
        guard request.bytes.count > 48, !endsSession(request) else { return }
        let chain = driver.requests.submit(request.bytes, writable: [8208], lending: false)
        let address = try #require(driver.memory.map.translate(chain.readable[0].address + 40, count: 8))
        let rest = request.bytes.count - 40
        for _ in 0..<4 {
            let noise = withUnsafeBytes(of: forge.generator.next()) { Array($0.prefix(min(8, rest))) }
            writer.write(noise, to: address + Int.random(in: 0...rest - noise.count, using: &forge.generator))
        }
        try check(request, driver.requests.collect(chain, changing: true), capacity: 8208)
    }

    private func rooms(_ room: Int) -> [Int] {
        guard room > 0 else { return [] }
        return forge.generator.once(in: 4) ? [min(room, 5), max(0, room - 5)] : [room]
    }

    private func queue(for request: RequestForge.Request) -> MockQueue {
        let isHighPriority = Opcode(rawValue: request.opcode)?.isHighPriority ?? false
        return isHighPriority == forge.generator.once(in: 20) ? driver.requests : driver.hiprio
    }

    private func endsSession(_ request: RequestForge.Request) -> Bool {
        [.initialize, .destroy].contains(Opcode(rawValue: request.opcode))
    }

    /// Every reply is one that a client's kernel would take; see ``FUSEReply/isWellFormed(unique:usedLength:)``.
    private func check(_ request: RequestForge.Request, _ answer: ChainReply, capacity: Int) throws {
        let hasNoReply = Opcode(rawValue: request.opcode)?.hasNoReply ?? false
        guard !hasNoReply, capacity >= 16 else {
            tally.count(opcode: request.opcode, errno: nil)
            try #require(answer.usedLength == 0)
            return
        }
        let reply = try #require(answer.reply)
        try #require(reply.isWellFormed(unique: request.unique, usedLength: answer.usedLength))
        tally.count(opcode: request.opcode, errno: reply.errno)
        if reply.errno == 0 {
            forge.pools.learn(opcode: request.opcode, node: request.node, request: request.bytes, reply)
            if endsSession(request) { try initialize() }
        }
    }

    // MARK: chains

    /// Makes a chain available that is wrong, or odd, and looks that nothing is written where nothing was offered.
    func sendChain() throws {
        let request = forge.next()
        guard !endsSession(request) else { return }
        let forged = chains.forge(request.bytes, &forge.generator)
        let before = driver.memory.read(at: chains.arena, count: ChainForge.arenaSize)
        driver.requests.stage([forged.head])
        driver.requests.publish()
        driver.requests.kick(lending: !forge.generator.once(in: 8))
        let outcome = try driver.requests.waitForOutcome(forged.head)
        try checkArena(before, forged)
        try settle(outcome)
    }

    private func checkArena(_ before: [UInt8], _ forged: ChainForge.Forged) throws {
        var expected = before
        let start = chains.arena.rawValue
        for range in forged.writable {
            let part = range.clamped(to: start..<start + UInt64(ChainForge.arenaSize))
            guard !part.isEmpty else { continue }
            let bytes = driver.memory.read(at: GuestAddress(part.lowerBound), count: part.count)
            expected.replaceSubrange(Int(part.lowerBound - start)..<Int(part.upperBound - start), with: bytes)
        }
        let isUntouched = driver.memory.holds(expected[...], at: chains.arena)
        try #require(isUntouched, "a byte where none was offered")
    }

    private func settle(_ outcome: MockQueue.Outcome) throws {
        switch outcome {
        case .returned:
            chainOutcomes["returned", default: 0] += 1
        case .needsReset:
            chainOutcomes["needs reset", default: 0] += 1
            try openSession()
        }
    }

    /// Writes into the ring itself what no driver may write.
    func breakRing() throws {
        let queue = driver.requests
        let head: UInt16
        switch forge.generator.next() % 5 {
        case 0:
            head = generatedHead()
            queue.stage([head])
            queue.publish()
        case 1:
            head = 1
            queue.ring.availableIndex.store(queue.nextAvailable &+ forge.generator.pick([65, 66, 1000, 0x8000, .max]))
        case 2:
            head = 2
            for index in 0..<queue.ring.size { queue.ring.setDescriptor(index, noise()) }
            queue.stage([2])
            queue.publish()
        case 3:
            // Flags and event of the driver's that mean nothing, and a chain that is right.
            queue.ring.availableFlags.store(forge.generator.pick([0, 2, 0xFFFE]))
            queue.ring.usedEvent.store(UInt16(truncatingIfNeeded: forge.generator.next()))
            let chain = queue.submit(FUSEMessage(.statfs).bytes)
            try #require(try queue.collect(chain).reply?.errno == 0)
            queue.ring.availableFlags.store(0)
            return chainOutcomes["odd flags", default: 0] += 1
        default:
            head = 3
            let start = MockGuestMemory.start.rawValue
            let loop = RawDescriptor(address: start, length: 1, flags: RawDescriptor.next, next: 3)
            queue.ring.setDescriptor(3, loop)
            queue.stage([3])
            queue.publish()
        }
        queue.kick(lending: !forge.generator.once(in: 4))
        try settle(queue.waitForOutcome(head))
    }

    private func generatedHead() -> UInt16 { forge.generator.pick([64, 65, 0x7FFF, 0x8000, .max]) }

    private func noise() -> RawDescriptor {
        RawDescriptor(
            address: forge.generator.next(), length: UInt32(truncatingIfNeeded: forge.generator.next()),
            flags: UInt16(truncatingIfNeeded: forge.generator.next()) & ~RawDescriptor.write,
            next: UInt16(truncatingIfNeeded: forge.generator.next()))
    }

    /// Ends the session, and the device's hold on everything.
    func finish() throws {
        let answer = try driver.requests.send(FUSEMessage(.destroy).bytes)
        try #require(answer.reply?.errno == 0)
    }
}
