import GuestMemory
import Virtqueue

/// A chain that a legal device has taken.
struct LegalChain {
    let id: UInt32
    /// Descriptors of the ring.
    let count: Int
    var readable: [GuestBuffer] = []
    var writable: [GuestBuffer] = []

    mutating func append(_ address: GuestAddress, _ length: UInt32, isWritable: Bool) {
        let buffer = GuestBuffer(address, count: length)
        if isWritable { writable.append(buffer) } else { readable.append(buffer) }
    }
}

/// The device's half of a ring as the specification allows it.
protocol LegalDeviceRing {
    /// The next chain that is available.
    mutating func take() -> LegalChain?
    /// Returns a chain; the driver sees it with ``publish()``.
    mutating func stage(_ chain: LegalChain, written: UInt32, using random: inout Generator)
    mutating func publish()
}

/// A device that answers in any order, as many chains at once as it likes, and leaves garbage where the driver has nothing
/// to read.
struct LegalDevice<Ring: LegalDeviceRing>: ~Copyable, AnsweringDevice {
    private var ring: Ring
    private let memory: TestMemory
    private var random: Generator
    private var held: [LegalChain] = []
    private var unpublished = 0
    /// The most chains that were returned together.
    private(set) var largestBatch = 0

    init(_ ring: Ring, _ queue: TestQueue, salt: Int) {
        self.ring = ring
        memory = queue.memory
        random = Generator(~salt)
    }

    var isIdle: Bool { held.isEmpty }

    mutating func take() throws -> Bool {
        if random.chance(50) { publish() }
        guard let chain = ring.take() else { return false }
        held.append(chain)
        return true
    }

    mutating func serve() throws {
        let chain = held.remove(at: random.below(held.count))
        var digest = Digest()
        for buffer in chain.readable { memory.forEachPiece(of: buffer) { digest.add(UnsafeRawBufferPointer($0)) } }
        let room = chain.writable.reduce(0) { $0 + Int($1.count) }
        let written = random.chance(50) ? room : random.below(room + 1)
        write(digest.reply(room: room), count: written, into: chain.writable)
        ring.stage(chain, written: UInt32(written), using: &random)
        unpublished += 1
        if random.chance(40) { publish() }
    }

    private func write(_ reply: Reply, count: Int, into buffers: [GuestBuffer]) {
        var position = 0
        for buffer in buffers {
            memory.forEachPiece(of: buffer) { piece in
                for index in 0..<min(piece.count, count - position) {
                    piece[index] = reply[position]
                    position += 1
                }
            }
        }
    }

    private mutating func publish() {
        largestBatch = max(largestBatch, unpublished)
        unpublished = 0
        ring.publish()
    }
}

struct LegalSplitDevice: LegalDeviceRing {
    private let raw: RawSplitRing
    private let size: UInt16
    private var nextAvailable: UInt16 = 0
    private var nextUsed: UInt16 = 0

    init(_ queue: TestQueue) {
        raw = RawSplitRing(queue: queue)
        size = queue.configuration.size
    }

    mutating func take() -> LegalChain? {
        guard raw.availableIndex != nextAvailable else { return nil }
        let head = raw.availableEntry(nextAvailable)
        nextAvailable &+= 1
        var chain = LegalChain(id: UInt32(head), count: 1)
        walk(from: head, into: &chain) { raw.descriptor($0) }
        return chain
    }

    private func walk(
        from head: UInt16, into chain: inout LegalChain, reading read: (UInt16) -> RawSplitRing.Descriptor
    ) {
        var index = head
        while true {
            let descriptor = read(index)
            guard !descriptor.flags.contains(.indirect) else {
                let table = raw.queue.memory.pointer(descriptor.address)
                return walk(from: 0, into: &chain) { RawSplitRing.read(table + 16 * Int($0)) }
            }
            chain.append(descriptor.address, descriptor.length, isWritable: descriptor.flags.contains(.write))
            guard descriptor.flags.contains(.next) else { return }
            index = descriptor.next
        }
    }

    mutating func stage(_ chain: LegalChain, written: UInt32, using random: inout Generator) {
        raw.setUsedEntry(nextUsed, id: chain.id, written: written)
        nextUsed &+= 1
    }

    mutating func publish() { raw.setUsedIndex(nextUsed) }
}

struct LegalPackedDevice: LegalDeviceRing {
    private let raw: RawPackedRing
    private let size: Int
    /// Free-running: the lap is how often it has gone round.
    private var nextAvailable = 0
    private var nextUsed = 0
    /// The first used descriptor of those that the driver does not see yet.
    private var withheld: (index: Int, descriptor: RawPackedRing.Descriptor)?

    init(_ queue: TestQueue) {
        raw = RawPackedRing(queue: queue)
        size = Int(queue.configuration.size)
    }

    mutating func take() -> LegalChain? {
        guard raw.isAvailable(nextAvailable) else { return nil }
        var descriptors = [raw.descriptor(nextAvailable % size)]
        while descriptors.last!.flags.contains(.next) {
            descriptors.append(raw.descriptor((nextAvailable + descriptors.count) % size))
        }
        nextAvailable += descriptors.count
        var chain = LegalChain(id: UInt32(descriptors.last!.id), count: descriptors.count)
        for descriptor in descriptors { add(descriptor, to: &chain) }
        return chain
    }

    private func add(_ descriptor: RawPackedRing.Descriptor, to chain: inout LegalChain) {
        guard descriptor.flags.contains(.indirect) else {
            return chain.append(descriptor.address, descriptor.length, isWritable: descriptor.flags.contains(.write))
        }
        let table = raw.queue.memory.pointer(descriptor.address)
        for index in 0..<Int(descriptor.length) / 16 {
            let entry = RawPackedRing.read(table + 16 * index)
            chain.append(entry.address, entry.length, isWritable: entry.flags.contains(.write))
        }
    }

    /// Address, NEXT and INDIRECT mean nothing in a used descriptor, and without WRITE neither does the length
    /// (virtio 1.4, 2.8.4, 2.8.6 and 2.8.7).
    mutating func stage(_ chain: LegalChain, written: UInt32, using random: inout Generator) {
        var flags: RawPackedRing.Flags = nextUsed / size % 2 == 0 ? [.available, .used] : []
        if random.chance(50) { flags.insert(.next) }
        if random.chance(50) { flags.insert(.indirect) }
        let saysLength = written > 0 || random.chance(50)
        if saysLength { flags.insert(.write) }
        let descriptor = RawPackedRing.Descriptor(
            address: GuestAddress(random.next()),
            length: saysLength ? written : UInt32(truncatingIfNeeded: random.next()), id: UInt16(chain.id),
            flags: flags)
        if withheld == nil {
            withheld = (nextUsed % size, descriptor)
        } else {
            raw.set(nextUsed % size, descriptor)
        }
        nextUsed += chain.count
    }

    mutating func publish() {
        if let withheld { raw.set(withheld.index, withheld.descriptor) }
        withheld = nil
    }
}
