import GuestMemory
import Virtqueue

/// How a legal driver has laid a chain out.
enum LegalLayout: Hashable {
    /// In the ring's own descriptors.
    case direct
    /// In a table.
    case table
    /// The first ones direct, the others in a table (virtio 1.4, 2.7.5.3.2); of split queues only.
    case mixed
    /// Made visible together with chains before it.
    case batch
}

/// What was returned is not what was made available.
struct IllegalReturn: Error { let id: UInt32 }

/// The driver's half of a split queue as the specification allows it, and no driver makes it: descriptors and heads in any
/// order, tables that begin anywhere, with gaps and entries in any order, several chains made visible at once, and garbage
/// in all that the device has no business with.
struct LegalSplitDriver: ~Copyable, DriverHalf {
    private struct Chain {
        let token: UInt32
        let descriptors: [UInt16]
    }

    private let raw: RawSplitRing
    private let features: RingFeatures
    private var random: Generator
    private var free: [UInt16]
    private var chains: [UInt16: Chain] = [:]
    private var nextAvailable: UInt16 = 0
    private var nextUsed: UInt16 = 0
    private(set) var layouts: Set<LegalLayout> = []

    let size: UInt16

    init(_ queue: TestQueue, salt: Int) {
        raw = RawSplitRing(queue: queue)
        size = queue.configuration.size
        features = queue.configuration.features
        random = Generator(salt ^ 0x1e9a1)
        free = Array(0..<size)
    }

    var freeCount: UInt16 { UInt16(free.count) }
    var hasUsed: Bool { raw.usedIndex != nextUsed }

    mutating func add(
        readable: UnsafeBufferPointer<GuestBuffer>, writable: UnsafeBufferPointer<GuestBuffer>,
        table: IndirectTable?, token: UInt32
    ) -> Bool {
        var chain =
            readable.map { RawSplitRing.Descriptor(address: $0.address, length: $0.count) }
            + writable.map { RawSplitRing.Descriptor(address: $0.address, length: $0.count, flags: .write) }
        let usable = features.contains(.indirectDescriptors) ? table : nil
        let directCount = usable == nil ? chain.count : random.below(min(chain.count, max(1, free.count)))
        guard directCount + (usable == nil ? 0 : 1) <= free.count else { return false }
        if let usable {
            let inTable = Array(chain.dropFirst(directCount))
            chain.replaceSubrange(directCount..., with: [write(inTable, into: usable)])
        }
        layouts.insert(usable == nil ? .direct : directCount == 0 ? .table : .mixed)
        stage(chain, token)
        return true
    }

    private mutating func stage(_ chain: [RawSplitRing.Descriptor], _ token: UInt32) {
        let indices = chain.map { _ in takeFree() }
        // What no chain uses is the driver's to scribble on.
        for index in free.suffix(8) { raw.set(Int(index), garbage()) }
        for (place, descriptor) in linked(chain, at: indices).enumerated() { raw.set(Int(indices[place]), descriptor) }
        chains[indices[0]] = Chain(token: token, descriptors: indices)
        raw.setAvailableEntry(nextAvailable, indices[0])
        if raw.availableIndex != nextAvailable { layouts.insert(.batch) }
        nextAvailable &+= 1
        if random.chance(40) { publish() }
    }

    private mutating func takeFree() -> UInt16 {
        free.swapAt(random.below(free.count), free.count - 1)
        return free.removeLast()
    }

    private func publish() { raw.setAvailableIndex(nextAvailable) }

    /// Each descriptor with where the next one is. Without NEXT that field means nothing.
    private mutating func linked(
        _ chain: [RawSplitRing.Descriptor], at places: [UInt16]
    ) -> [RawSplitRing.Descriptor] {
        chain.enumerated().map { position, descriptor in
            var descriptor = descriptor
            let isLast = position + 1 == chain.count
            if !isLast { descriptor.flags.insert(.next) }
            descriptor.next = isLast ? UInt16(random.below(65536)) : places[position + 1]
            return descriptor
        }
    }

    /// Writes a table; the descriptor that names it. Whether that one has WRITE means nothing (virtio 1.4, 2.7.5.3.2).
    private mutating func write(
        _ entries: [RawSplitRing.Descriptor], into table: IndirectTable
    ) -> RawSplitRing.Descriptor {
        let room = min(table.capacity - 1, Int(size))
        let count = entries.count + random.below(room - entries.count + 1)
        let offset = random.chance(50) ? 0 : random.below(16)
        // The walk begins at the first entry.
        let places = [0] + (1..<max(1, count)).shuffled(using: &random).prefix(entries.count - 1)
        var content = (0..<count).map { _ in garbage() }
        for (position, entry) in linked(entries, at: places.map { UInt16($0) }).enumerated() {
            content[places[position]] = entry
        }
        for (index, entry) in content.enumerated() {
            RawSplitRing.write(entry, to: table.pointer + offset + 16 * index)
        }
        let isWritable = random.chance(50)
        return RawSplitRing.Descriptor(
            address: table.address + UInt64(offset), length: UInt32(16 * count),
            flags: isWritable ? [.indirect, .write] : .indirect)
    }

    private mutating func garbage() -> RawSplitRing.Descriptor {
        RawSplitRing.Descriptor(
            address: GuestAddress(random.next()), length: UInt32(truncatingIfNeeded: random.next()),
            flags: .init(rawValue: UInt16(truncatingIfNeeded: random.next())),
            next: UInt16(truncatingIfNeeded: random.next()))
    }

    mutating func popUsed() throws -> (token: UInt32, written: UInt32)? {
        if random.chance(50) { publish() }
        guard hasUsed else { return nil }
        let (id, written) = raw.usedEntry(nextUsed)
        guard id < UInt32(size), let chain = chains.removeValue(forKey: UInt16(id)) else { throw IllegalReturn(id: id) }
        nextUsed &+= 1
        free += chain.descriptors
        return (chain.token, written)
    }
}

/// The same for a packed queue: any buffer id, several chains made visible by one store, and garbage where nothing is to be
/// read: in the ids of all descriptors but a chain's last, and of a table's.
struct LegalPackedDriver: ~Copyable, DriverHalf {
    private struct Chain {
        let token: UInt32
        let count: Int
    }

    private let raw: RawPackedRing
    private let features: RingFeatures
    private var random: Generator
    private var chains: [UInt16: Chain] = [:]
    /// Free-running: the lap is how often it has gone round.
    private var nextAvailable = 0
    private var nextUsed = 0
    private var free: Int
    /// The first descriptor of what the device does not see yet, whose flags hold all behind it back.
    private var withheld: (index: Int, descriptor: RawPackedRing.Descriptor)?
    private(set) var layouts: Set<LegalLayout> = []

    let size: UInt16

    init(_ queue: TestQueue, salt: Int) {
        raw = RawPackedRing(queue: queue)
        size = queue.configuration.size
        features = queue.configuration.features
        random = Generator(salt ^ 0x1e9a1)
        free = Int(size)
    }

    var freeCount: UInt16 { UInt16(free) }
    var hasUsed: Bool { raw.isUsed(nextUsed) }

    mutating func add(
        readable: UnsafeBufferPointer<GuestBuffer>, writable: UnsafeBufferPointer<GuestBuffer>,
        table: IndirectTable?, token: UInt32
    ) -> Bool {
        var chain =
            readable.map { RawPackedRing.Descriptor(address: $0.address, length: $0.count) }
            + writable.map { RawPackedRing.Descriptor(address: $0.address, length: $0.count, flags: .write) }
        let usable = features.contains(.indirectDescriptors) ? table : nil
        guard (usable == nil ? chain.count : 1) <= free else { return false }
        if let usable { chain = [write(chain, into: usable)] }
        layouts.insert(usable == nil ? .direct : .table)
        stage(chain, token)
        return true
    }

    private mutating func stage(_ chain: [RawPackedRing.Descriptor], _ token: UInt32) {
        var id = UInt16(random.below(65536))
        while chains[id] != nil { id &+= 1 }
        chains[id] = Chain(token: token, count: chain.count)
        if withheld != nil { layouts.insert(.batch) }
        for (position, descriptor) in chain.enumerated() {
            var descriptor = descriptor
            let isLast = position + 1 == chain.count
            descriptor.id = isLast ? id : UInt16(random.below(65536))
            if !isLast { descriptor.flags.insert(.next) }
            place(descriptor)
        }
        free -= chain.count
        if random.chance(40) { publish() }
    }

    private mutating func place(_ descriptor: RawPackedRing.Descriptor) {
        let index = nextAvailable % Int(size)
        var descriptor = descriptor
        descriptor.flags.insert(nextAvailable / Int(size) % 2 == 0 ? .available : .used)
        if withheld == nil { withheld = (index, descriptor) } else { raw.set(index, descriptor) }
        nextAvailable += 1
    }

    private mutating func publish() {
        if let withheld { raw.set(withheld.index, withheld.descriptor) }
        withheld = nil
    }

    private mutating func write(
        _ entries: [RawPackedRing.Descriptor], into table: IndirectTable
    ) -> RawPackedRing.Descriptor {
        let offset = random.chance(50) ? 0 : random.below(16)
        for (index, entry) in entries.enumerated() {
            var entry = entry
            entry.id = UInt16(random.below(65536))
            RawPackedRing.write(entry, to: table.pointer + offset + 16 * index)
        }
        let isWritable = random.chance(50)
        return RawPackedRing.Descriptor(
            address: table.address + UInt64(offset), length: UInt32(16 * entries.count),
            flags: isWritable ? [.indirect, .write] : .indirect)
    }

    mutating func popUsed() throws -> (token: UInt32, written: UInt32)? {
        if random.chance(50) { publish() }
        guard hasUsed else { return nil }
        let used = raw.descriptor(nextUsed % Int(size))
        guard let chain = chains.removeValue(forKey: used.id) else { throw IllegalReturn(id: UInt32(used.id)) }
        nextUsed += chain.count
        free += chain.count
        return (chain.token, used.flags.contains(.write) ? used.length : 0)
    }
}
