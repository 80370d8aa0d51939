import GuestMemory
import Syscalls

/// The ``InflightRegion`` of a packed queue: `QueueRegionPacked` with a `DescStatePacked` for each descriptor, which hold
/// copies of the descriptors of chains in flight and a list of those that are free.
///
/// Each store is a release, so that a process that dies at any moment leaves them behind in this order. The list belongs to
/// reader and writer, so a lock guards it.
final class PackedInflight: @unchecked Sendable {
    private let region: InflightRegion
    private let size: UInt16
    private let lock = Lock()
    // What the region says, as far as this device goes by it; guarded by `lock`.
    /// Of each entry, the one that follows it in its chain or in the free list; the size where the list ends.
    private var links: [UInt16]
    private var firstFree: UInt16 = 0
    private var counter: UInt64 = 1
    /// First and last entry of chains in flight, by where their copy is in the device's own store.
    private var chains: [Ends]
    /// Where the next used descriptor goes.
    private(set) var used: PackedPosition
    /// Whether a device was there before. Then ``used`` is where it has come to, whatever who starts the ring knows of it.
    let isContinued: Bool

    /// Where a chain is in the region.
    struct Ends {
        var first: UInt16 = 0
        var last: UInt16 = 0
    }

    /// Takes over what a device before has left.
    ///
    /// - Parameters:
    ///   - start: where a ring without chains in flight goes on.
    ///   - flags: the flags of the descriptor at a position.
    init(
        _ region: InflightRegion, size: UInt16, start: PackedPosition, flags: (PackedPosition) -> UInt16
    ) throws(RingError) {
        self.region = region
        self.size = size
        links = (0..<size).map { $0 + 1 }
        chains = Array(repeating: Ends(), count: Int(size))
        used = start
        isContinued = try region.wasUsed(queueSize: size)
        if isContinued {
            try recover(flags)
        } else {
            for index in 0..<size {
                next(of: index).store(links[Int(index)])
                setInflight(index, false)
            }
            storeState()
            storeOldState()
        }
        region.begin(queueSize: size)
    }

    // MARK: fields

    private var freeHead: SharedUInt16 { region.half(12) }
    private var oldFreeHead: SharedUInt16 { region.half(14) }
    private var usedIndex: SharedUInt16 { region.half(16) }
    private var oldUsedIndex: SharedUInt16 { region.half(18) }
    /// used_wrap_counter and old_used_wrap_counter.
    private static let wrapCounters = 20

    private func offset(of index: UInt16) -> Int { InflightRegion.Head.packedSize + 32 * Int(index) }
    private func setInflight(_ index: UInt16, _ isInflight: Bool) { region.setBytes(at: offset(of: index), isInflight) }
    private func next(of index: UInt16) -> SharedUInt16 { region.half(offset(of: index) + 2) }
    private func last(of index: UInt16) -> SharedUInt16 { region.half(offset(of: index) + 4) }
    private func count(of index: UInt16) -> SharedUInt16 { region.half(offset(of: index) + 6) }
    private func counter(of index: UInt16) -> SharedUInt64 {
        unsafe SharedUInt64(at: region.base + offset(of: index) + 8)
    }

    private func descriptor(_ index: UInt16) -> PackedDescriptor {
        let entry = unsafe region.base + offset(of: index)
        return unsafe PackedDescriptor(
            address: GuestAddress(SharedUInt64(at: entry + 24).load()), length: SharedUInt32(at: entry + 20).load(),
            id: SharedUInt16(at: entry + 16).load(), flags: SharedUInt16(at: entry + 18).load())
    }

    private func setDescriptor(_ index: UInt16, _ descriptor: PackedDescriptor) {
        let entry = unsafe region.base + offset(of: index)
        unsafe SharedUInt64(at: entry + 24).store(descriptor.address.rawValue)
        unsafe SharedUInt32(at: entry + 20).store(descriptor.length)
        unsafe SharedUInt16(at: entry + 18).store(descriptor.flags)
        unsafe SharedUInt16(at: entry + 16).store(descriptor.id)
    }

    private func storeState() {
        let oldWrap = region.half(Self.wrapCounters).load() & 0xff00 != 0
        freeHead.store(firstFree)
        usedIndex.store(used.index)
        region.setBytes(at: Self.wrapCounters, used.wrap, oldWrap)
    }

    private func storeOldState() {
        oldFreeHead.store(firstFree)
        oldUsedIndex.store(used.index)
        region.setBytes(at: Self.wrapCounters, used.wrap, used.wrap)
    }

    // MARK: taking over

    private func recover(_ flags: (PackedPosition) -> UInt16) throws(RingError) {
        let wraps = region.half(Self.wrapCounters).load()
        let new = try state(free: freeHead, index: usedIndex, wrap: wraps & 0xff != 0)
        let old = try state(free: oldFreeHead, index: oldUsedIndex, wrap: wraps & 0xff00 != 0)
        // A chain was being returned: the driver has it if its flags were written (vhost-user, "Inflight I/O tracking").
        let wasReturned =
            new.used != old.used && flags(old.used) & PackedDescriptor.ownership != old.used.availableFlags
        (firstFree, used) = wasReturned ? new : old
        for index in 0..<size { links[Int(index)] = next(of: index).load() }
        storeState()
        storeOldState()
    }

    private func state(
        free: SharedUInt16, index: SharedUInt16, wrap: Bool
    ) throws(RingError) -> (free: UInt16, used: PackedPosition) {
        let (free, index) = (free.load(), index.load())
        guard free <= size, index < size else { throw .badInflightRegion }
        return (free, PackedPosition(rawValue: index | (wrap ? 0x8000 : 0)))
    }

    /// The chains that were in flight, in the order in which they were taken, each as a list of its descriptors.
    ///
    /// Entries that are in no such chain are free, whatever the region says of them.
    func takeOver() throws(RingError) -> [(place: Ends, descriptors: [PackedDescriptor])] {
        var heads = (0..<size).filter { region.flag(at: offset(of: $0)) }
        // A device that died while it took a chain has marked it, but it is on the free list still.
        let free = Set(listFree())
        heads.removeAll { free.contains($0) }
        let ordered = heads.map { ($0, counter(of: $0).load()) }.sorted { $0.1 < $1.1 }
        counter = (ordered.last?.1 ?? 0) &+ 1
        var taken = Set<UInt16>()
        var found: [(place: Ends, descriptors: [PackedDescriptor])] = []
        for (head, _) in ordered {
            let entries = try entries(from: head, notIn: &taken)
            found.append((Ends(first: head, last: entries.last!), entries.map(descriptor)))
        }
        rebuildFreeList(without: taken)
        return found
    }

    private func listFree() -> [UInt16] {
        var list: [UInt16] = []
        var index = firstFree
        for _ in 0..<size where index < size {
            list.append(index)
            index = links[Int(index)]
        }
        return list
    }

    private func entries(from head: UInt16, notIn taken: inout Set<UInt16>) throws(RingError) -> [UInt16] {
        let count = count(of: head).load()
        guard count > 0, count <= size else { throw .badInflightRegion }
        var list: [UInt16] = []
        var index = head
        for _ in 0..<count {
            guard index < size, taken.insert(index).inserted else { throw .badInflightRegion }
            list.append(index)
            index = links[Int(index)]
        }
        return list
    }

    private func rebuildFreeList(without taken: Set<UInt16>) {
        let free = (0..<size).filter { !taken.contains($0) }
        for index in free { setInflight(index, false) }
        for (index, following) in zip(free, free.dropFirst() + [size]) { link(index, to: following) }
        firstFree = free.first ?? size
        storeState()
        storeOldState()
    }

    /// Where the device keeps a chain that it has taken over.
    func adopt(_ place: Ends, as copy: UInt16) { chains[Int(copy)] = place }

    private func link(_ index: UInt16, to following: UInt16) {
        links[Int(index)] = following
        next(of: index).store(following)
    }

    // MARK: in service

    /// The reader has taken a chain, whose descriptors are in `store`.
    func take(_ chain: PoppedChain, from store: PackedChainStore) {
        lock.withLock {
            var copy = chain.copy
            let first = firstFree
            count(of: first).store(0)
            counter(of: first).store(counter)
            counter &+= 1
            setInflight(first, true)
            var end = first
            for index in 0..<chain.count {
                let (descriptor, following) = store.descriptor(copy)
                copy = following
                end = firstFree
                if index + 1 == chain.count { last(of: first).store(end) }
                count(of: first).store(index + 1)
                setDescriptor(end, descriptor)
                firstFree = links[Int(end)]
                freeHead.store(firstFree)
            }
            oldFreeHead.store(firstFree)
            chains[Int(chain.copy)] = Ends(first: first, last: end)
        }
    }

    /// The writer returns a chain, with `write`, so that the next one goes to `position`.
    func giveBack(_ chain: PoppedChain, next position: PackedPosition, _ write: () -> Void) {
        lock.withLock {
            let place = chains[Int(chain.copy)]
            link(place.last, to: firstFree)
            firstFree = place.first
            used = position
            storeState()
            write()
            setInflight(place.first, false)
            storeOldState()
        }
    }
}
