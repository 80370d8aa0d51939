import CKernel
import Syscalls
import SystemPackage
import VirtioTestSupport

@testable import VhostUser

/// Makes up messages: most of them nearly right, so that they get far, and each wrong in its own way.
final class HostilePeer {
    /// Messages that the back end has taken in. What is written to a connection that it has closed does not count.
    private(set) var takenCount = 0
    private(set) var ringCount = 0
    private var random: SeededGenerator
    private let memory: PeerMemory
    private let sealed: MemoryFile
    private let kick: EventDescriptor
    private let pipe: (read: FileDescriptor, write: FileDescriptor)
    private let null: FileDescriptor
    /// A connection for the back end's requests, which nobody answers.
    private let pair: (FileDescriptor, FileDescriptor)

    init(seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        memory = try PeerMemory(size: 1 << 18)
        sealed = try MemoryFile(name: "sealed", size: 1 << 16)
        kick = try EventDescriptor()
        let ends = try FileDescriptor.pipe()
        pipe = (ends.readEnd, ends.writeEnd)
        null = try FileDescriptor.open("/dev/null", .readWrite)
        pair = try FileDescriptor.socketPair()
    }

    deinit { for descriptor in [pipe.read, pipe.write, null, pair.0, pair.1] { try? descriptor.close() } }

    /// One connection, from a beginning by the rules, or none, to the end.
    func attack(_ frontEnd: RawFrontEnd) throws {
        try memory.resize(to: memory.size)
        if !random.once(in: 4) {
            frontEnd.negotiate(random.once(in: 4) ? 1 << 34 | RawFrontEnd.features : RawFrontEnd.features)
        }
        if random.once(in: 2) { startRings(frontEnd) }
        for _ in 0..<Int.random(in: 1...40, using: &random) {
            let message = makeMessage()
            guard frontEnd.send(message.bytes, message.descriptors) else { return }
            guard frontEnd.isTakenIn() else { return }
            takenCount += 1
            if random.once(in: 8) { try disturb() }
            if !frontEnd.drain() { return }
        }
    }

    private func startRings(_ frontEnd: RawFrontEnd) {
        frontEnd.send(.setMemoryTable, memory.table, [memory.descriptor])
        for index in 0..<UInt32.random(in: 1...3, using: &random) {
            frontEnd.start(index, kick.descriptor)
            ringCount += 1
        }
    }

    /// Changes what lies in memory, kicks, or takes memory away.
    private func disturb() throws {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: try memory.resize(to: Int.random(in: 0...memory.size, using: &random))
        case 1: try memory.resize(to: memory.size)
        case 2:
            // Only where the file is for sure, or this process is the one that faults.
            try memory.resize(to: memory.size)
            for _ in 0..<64 {
                let offset = Int.random(in: 0..<memory.size / 8, using: &random) * 8
                (memory.base + offset).storeBytes(
                    of: random.once(in: 2) ? plausibleDescriptor() : random.next(), as: UInt64.self)
            }
        case 3:
            try memory.resize(to: memory.size)
            memory.publish(UInt32.random(in: 0..<3, using: &random), count: UInt16.random(in: 1...70, using: &random))
        default: kick.ring()
        }
    }

    private func plausibleDescriptor() -> UInt64 {
        random.once(in: 2)
            ? PeerMemory.guestAddress + UInt64.random(in: 0..<1 << 18, using: &random)
            : UInt64.random(in: 0..<4096, using: &random) | UInt64.random(in: 0..<8, using: &random) << 32
                | UInt64.random(in: 0..<64, using: &random) << 48
    }

    // MARK: messages

    private func makeMessage() -> (bytes: [UInt8], descriptors: [FileDescriptor]) {
        let code = random.pick(RequestCode.allCases)
        var payload = makePayload(code)
        var descriptors = makeDescriptors(code)
        if random.once(in: 10), !payload.isEmpty { mutate(&payload) }
        if random.once(in: 25) { payload.removeLast(Int.random(in: 0...payload.count, using: &random)) }
        if random.once(in: 25) { payload += [UInt8](repeating: 7, count: Int.random(in: 1...300, using: &random)) }
        if random.once(in: 20) {
            descriptors = (0..<Int.random(in: 0...32, using: &random)).map { _ in anyDescriptor() }
        }
        let request = random.once(in: 40) ? UInt32(truncatingIfNeeded: random.next()) : code.rawValue
        let header = MessageHeader(
            request: request, payloadSize: payload.count, isReply: random.once(in: 60), needsReply: !random.once(in: 5))
        var whole = bytes(of: header) + payload
        if random.once(in: 50) {
            whole[Int.random(in: 0..<12, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        if random.once(in: 80) { whole.removeLast(Int.random(in: 0..<whole.count, using: &random)) }
        return (whole, descriptors)
    }

    private func mutate(_ payload: inout [UInt8]) {
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            payload[Int.random(in: 0..<payload.count, using: &random)] = random.pick([0, 1, 0x7f, 0x80, 0xff])
        }
    }

    private func makePayload(_ code: RequestCode) -> [UInt8] {
        switch code {
        case .setFeatures:
            bytes(
                of: random.pick([
                    RawFrontEnd.features, RawFrontEnd.features | 1 << 34, RawFrontEnd.features | 1 << 26, 1 << 30,
                    random.next(),
                ]))
        case .setProtocolFeatures: bytes(of: random.once(in: 4) ? random.next() : ProtocolFeatures.offered.rawValue)
        case .setStatus: bytes(of: random.pick([0, 1, 3, 11, 15, random.next()]))
        case .setMemoryTable: makeTable()
        case .addMemoryRegion, .removeMemoryRegion: bytes(of: SingleRegionMessage(region: makeRegion()))
        case .setRingSize: makeState([0, 1, 63, 64, 1024, 65536])
        case .setRingBase, .getRingBase: makeState([0, 1, 0x8000_8000, 0xffff, .max])
        case .setRingEnable: makeState([0, 1, 1, 2])
        case .setRingAddresses: makeAddresses()
        case .setLogBase: bytes(of: LogDescription(size: anySize(), offset: random.pick([0, 0, 0, 4096, 1, .max])))
        case .getInflight, .setInflight: makeInflight()
        case .kickRing: makeState([0, 0, 1])
        case .setRingKick, .setRingCall, .setRingError:
            bytes(of: UInt64(anyRing()) | (random.once(in: 6) ? 0x100 : 0))
        case .getConfiguration, .setConfiguration: makeConfiguration()
        default: []
        }
    }

    private func anyRing() -> UInt32 {
        random.once(in: 15) ? random.pick([3, 4, 255, .max]) : UInt32.random(in: 0..<3, using: &random)
    }

    private func makeState(_ numbers: [UInt32]) -> [UInt8] {
        bytes(of: vhost_vring_state(index: anyRing(), num: random.pick(numbers)))
    }

    private func makeAddresses() -> [UInt8] {
        var addresses = PeerMemory.addresses(anyRing())
        if random.once(in: 4) { (addresses.flags, addresses.log_guest_addr) = (1, anyAddress()) }
        if random.once(in: 3) { addresses.desc_user_addr = anyAddress() }
        if random.once(in: 6) { addresses.used_user_addr = anyAddress() }
        if random.once(in: 6) { addresses.avail_user_addr = anyAddress() }
        return bytes(of: addresses)
    }

    private func anyAddress() -> UInt64 {
        let end = PeerMemory.userAddress + UInt64(memory.size)
        return random.pick([0, 1, .max, .max - 15, end, end - 16, end - 1, PeerMemory.userAddress + 8, random.next()])
    }

    private func makeRegion() -> MemoryRegionDescription {
        var region = memory.description
        if random.once(in: 2) {
            region.guestAddress = random.pick([0, 1 << 30, 1 << 40, 0x10_1000, .max - 4095, .max])
        }
        if random.once(in: 2) { region.userAddress = random.pick([0, 1 << 30, 1 << 40, 0x7000_1000, .max - 4095]) }
        if random.once(in: 2) { region.size = random.pick([0, 1, 4096, 1 << 16, 1 << 18, 1 << 19, 1 << 60, .max]) }
        if random.once(in: 4) { region.fileOffset = random.pick([1, 4096, 1 << 17, 1 << 18, 1 << 62, .max]) }
        return region
    }

    private func makeTable() -> [UInt8] {
        let count = random.pick([0, 1, 1, 2, 2, 3, 8, 9, 32])
        var table = bytes(of: MemoryTableHead(regionCount: random.once(in: 20) ? .max : UInt32(count)))
        for _ in 0..<count { table += bytes(of: makeRegion()) }
        return table
    }

    private func anySize() -> UInt64 { random.pick([0, 1, 64, 4096, 1 << 16, 1 << 18, 1 << 19, 1 << 60, .max]) }

    private func makeInflight() -> [UInt8] {
        var description = InflightDescription(
            size: anySize(), queueCount: random.pick([0, 1, 3, 3, 3, 4, .max]),
            queueSize: random.pick([0, 64, 64, 1024, .max]))
        description.offset = random.pick([0, 0, 0, 4096, 1, .max])
        return random.once(in: 4) ? Array(bytes(of: description).prefix(20)) : bytes(of: description)
    }

    private func makeConfiguration() -> [UInt8] {
        let size = random.pick([0, 4, 40, 256, 257])
        let claimed = random.once(in: 5) ? random.pick([0, 1, 1 << 31, .max]) : UInt32(size)
        let head = ConfigurationHead(offset: random.pick([0, 36, 40, 41, .max]), size: claimed)
        return bytes(of: head) + [UInt8](repeating: 1, count: size)
    }

    private func makeDescriptors(_ code: RequestCode) -> [FileDescriptor] {
        switch code {
        case .setMemoryTable: (0..<random.pick([1, 1, 2, 8])).map { _ in anyMemory() }
        case .addMemoryRegion, .setLogBase, .setInflight: [anyMemory()]
        case .setLogDescriptor: [random.once(in: 4) ? anyDescriptor() : kick.descriptor]
        case .setBackEndConnection: [random.once(in: 4) ? anyDescriptor() : random.once(in: 2) ? pair.0 : pair.1]
        case .setRingKick, .setRingCall, .setRingError: [random.once(in: 4) ? anyDescriptor() : kick.descriptor]
        default: []
        }
    }

    private func anyMemory() -> FileDescriptor {
        random.once(in: 5) ? anyDescriptor() : random.once(in: 3) ? sealed.descriptor : memory.descriptor
    }

    private func anyDescriptor() -> FileDescriptor {
        random.pick([kick.descriptor, pipe.read, pipe.write, null, memory.descriptor, sealed.descriptor])
    }
}
