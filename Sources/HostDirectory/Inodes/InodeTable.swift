import CKernel
import FUSEWire
import Synchronization
import Syscalls
import SystemPackage

/// Every file that the client knows: by the name that it was given (nodeid), and by what it is on the host.
///
/// A nodeid is a name of the slab, so finding its inode takes no lock. The map by key is cut into shards, each with a
/// lock; an inode is in the map exactly while its nlookup is not zero, and both change together under the shard's lock.
/// So a LOOKUP never finds an inode that is just being forgotten: it finds one that the client knows, or none.
///
/// An inode is held by a descriptor with `O_PATH`, or evicted, that is, known by its handle alone
/// (`InodeTable+Eviction.swift`), or not used yet, and known by its name alone (`InodeTable+Names.swift`).
///
/// `@unchecked Sendable`: the shards are guarded by their locks.
final class InodeTable: @unchecked Sendable {
    typealias Pin = Slab<Inode>.Pin
    typealias Record = Slab<Inode>.Record

    private static var shardCount: Int { 64 }

    let slab = Slab<Inode>()
    private let shards: UnsafeMutablePointer<InodeShard>
    private let births = Atomic<UInt64>(0)

    let mounts: MountTable
    let budget: DescriptorBudget
    let clock = DescriptorClock(capacity: DescriptorBudget.largestLimit)
    /// Guards the change of a record between held and evicted, and the names that inodes are known by: a few loads and
    /// stores, never a system call.
    let evictionLock = Lock()
    let evictions = Atomic<Int>(0)
    /// Inodes that are known by name, and the names' hashes.
    let named = Atomic<Int>(0)
    let nameCounts = NameCounts()
    let habits = UseHabits()

    /// - Parameter root: known as ``NodeID/root`` and never forgotten or evicted; the table closes it in the end.
    init(
        root descriptor: FileDescriptor, _ status: borrowing statx, mounts: MountTable, budget: DescriptorBudget
    ) throws(Errno) {
        self.mounts = mounts
        self.budget = budget
        shards = .allocate(capacity: Self.shardCount)
        for index in 0..<Self.shardCount { (shards + index).initialize(to: InodeShard()) }
        let inode = Inode(key: InodeKey(status), birth: 0, mode: status.stx_mode)
        // The first place, in a generation that no other record has: its name is 1.
        let name = try slab.insert(inode, descriptor: descriptor.rawValue, generation: 0)
        precondition(name == NodeID.root.rawValue)
    }

    deinit {
        removeAll()
        slab.record(at: 1).heldDescriptor.closeOwned()
        shards.deinitialize(count: Self.shardCount)
        shards.deallocate()
    }

    /// How many nodes there are, the root included.
    var count: Int { 1 + sum { UInt64($0.count) } }
    /// The sum of nlookup.
    var lookupCount: UInt64 { UInt64(sum { $0.lookups }) }

    private func sum(_ value: (borrowing InodeShard.Map) -> UInt64) -> Int {
        var total: UInt64 = 0
        for index in 0..<Self.shardCount {
            shards[index].withMap { total &+= value($0.pointee) }
        }
        return Int(truncatingIfNeeded: total)
    }

    @inline(__always)
    func shard(of key: InodeKey) -> UnsafeMutablePointer<InodeShard> {
        shards + Int(truncatingIfNeeded: key.hash >> 58)
    }

    /// The inode, held until ``unpin(_:)``.
    ///
    /// - Throws: ESTALE for a nodeid that was never given out, or was forgotten, or is of an earlier session.
    @inline(__always)
    func pin(_ node: NodeID) throws(Errno) -> Pin {
        guard let pin = slab.pin(node.rawValue) else { throw .staleNFSFileHandle }
        return pin
    }

    @inline(__always)
    func unpin(_ pin: Pin) {
        if slab.unpin(pin) { close(pin) }
    }

    /// As ``unpin(_:)``, of a node that was pinned for as long as a file is open.
    func unpin(ofOpenFile node: NodeID) {
        unpin(Pin(record: slab.record(at: UInt32(truncatingIfNeeded: node.rawValue)), id: node.rawValue))
    }

    /// Nobody else uses the record any more.
    private func close(_ pin: Pin) {
        if let name = pin.record.knownName {
            pin.header.pointee.memory.store(nil, ordering: .relaxed)
            drop(name)
        } else if pin.header.pointee.pins.isEvicted {
            evictions.wrappingSubtract(1, ordering: .relaxed)
        } else {
            let descriptor = pin.record.heldDescriptor
            clock.clear(descriptor.rawValue)
            descriptor.closeOwned()
            budget.add(inodes: -1)
        }
        pin.header.pointee.memory.exchange(nil, ordering: .acquiring)?.deallocate()
        slab.recycle(pin)
    }

    /// A point in time; see ``retain(_:knownSince:)``.
    var now: UInt64 { births.load(ordering: .acquiring) }

    /// The next inode's time of birth.
    func nextBirth() -> UInt64 { births.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue }

    /// Counts a lookup of a file, if it is known, and has been since before `time`.
    ///
    /// The key was read from a name, without holding the file. If the table held it all that time, its inode number can't
    /// have passed to another file meanwhile. If not, nobody can say, and the caller has to hold the file first. A file
    /// that was evicted, or known by name, and is held now has existed all that time: its handle or its time of birth is good
    /// for no other.
    func retain(_ key: InodeKey, knownSince time: UInt64) -> NodeID? {
        shard(of: key).pointee.withMap { map in
            guard let (index, record) = map.pointee.find(key, in: slab) else { return nil }
            guard record.payload.pointee.birth <= time, !record.header.pointee.pins.isEvicted else { return nil }
            return count(record, at: index, in: map)
        }
    }

    /// Whether a file is known and held right now.
    func isHeld(_ key: InodeKey) -> Bool {
        shard(of: key).pointee.withMap { map in
            guard let (_, record) = map.pointee.find(key, in: slab) else { return false }
            return !record.header.pointee.pins.isEvicted
        }
    }

    /// One lookup more; the caller holds the shard's lock.
    func count(_ record: Record, at index: UInt32, in map: UnsafeMutablePointer<InodeShard.Map>) -> NodeID {
        record.lookups += 1
        map.pointee.lookups &+= 1
        return NodeID(rawValue: UInt64(record.header.pointee.pins.generation) << 32 | UInt64(index))
    }

    /// Takes back `count` lookups, or as many as there are.
    func forget(_ node: NodeID, count: UInt64) {
        guard node != .root, let pin = slab.pin(node.rawValue, marking: false) else { return }
        defer { unpin(pin) }
        shard(of: pin.payload.key).pointee.withMap { map in
            let lookups = pin.record.lookups
            guard lookups > 0 else { return }  // somebody else was faster
            let taken = min(lookups, count)
            pin.record.lookups = lookups - taken
            map.pointee.lookups &-= taken
            guard taken == lookups else { return }
            map.pointee.unlink(pin.record, at: pin.index, in: slab)
            _ = pin.header.pointee.pins.retire()
        }
    }

    /// Forgets all but the root. What is in use is closed when it no longer is.
    func removeAll() {
        for index in 0..<Self.shardCount {
            let removed = shards[index].withMap { map in
                let pins = map.pointee.removeAll(in: slab)
                for pin in pins { _ = pin.header.pointee.pins.retire() }
                return pins
            }
            removed.forEach(unpin)
        }
        mounts.removeAll()
    }

    /// Bytes of this process that a node takes, apart from its share of the buckets.
    static var bytesPerInode: Int { Slab<Inode>.recordSize }
}

extension Slab<Inode>.Record {
    /// The bit of the header's word that is not part of nlookup.
    private static var displaced: UInt64 { 1 << 63 }

    /// The descriptor of an inode that is not evicted.
    @inline(__always)
    var heldDescriptor: FileDescriptor {
        FileDescriptor(rawValue: header.pointee.descriptor.load(ordering: .relaxed))
    }

    /// nlookup, guarded by the shard's lock.
    var lookups: UInt64 {
        get { header.pointee.word.load(ordering: .relaxed) & ~Self.displaced }
        nonmutating set {
            let mark = header.pointee.word.load(ordering: .relaxed) & Self.displaced
            header.pointee.word.store(newValue | mark, ordering: .relaxed)
        }
    }

    /// Whether the file is gone and another one has its inode number: no LOOKUP finds the record any more, and it waits
    /// for its FORGET. Guarded by the shard's lock.
    var isDisplaced: Bool { header.pointee.word.load(ordering: .relaxed) & Self.displaced != 0 }

    func displace() { header.pointee.word.store(lookups | Self.displaced, ordering: .relaxed) }
}
