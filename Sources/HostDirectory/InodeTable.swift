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
/// `@unchecked Sendable`: the shards are guarded by their locks.
final class InodeTable: @unchecked Sendable {
    typealias Pin = Slab<Inode>.Pin

    private static var shardCount: Int { 64 }

    private let slab = Slab<Inode>()
    private let shards: UnsafeMutablePointer<InodeShard>
    private let births = Atomic<UInt64>(0)

    /// - Parameter root: known as ``NodeID/root`` and never forgotten; the table closes it in the end.
    init(root descriptor: FileDescriptor, _ status: borrowing statx) throws(Errno) {
        shards = .allocate(capacity: Self.shardCount)
        for index in 0..<Self.shardCount { (shards + index).initialize(to: InodeShard()) }
        let inode = Inode(key: InodeKey(status), birth: 0, descriptor: descriptor, mode: status.stx_mode)
        // The first place, in a generation that no other record has: its name is 1.
        let name = try slab.insert(inode, generation: 0)
        precondition(name == NodeID.root.rawValue)
    }

    deinit {
        removeAll()
        slab.record(at: 1).payload.pointee.descriptor.closeOwned()
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
    private func shard(of key: InodeKey) -> UnsafeMutablePointer<InodeShard> {
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

    private func close(_ pin: Pin) {
        pin.payload.descriptor.closeOwned()
        slab.recycle(pin)
    }

    /// A point in time; see ``retain(_:knownSince:)``.
    var now: UInt64 { births.load(ordering: .acquiring) }

    /// Counts a lookup of a file, if it is known, and has been since before `time`.
    ///
    /// The key was read from a name, without holding the file. If the table held it all that time, its inode number can't
    /// have passed to another file meanwhile. If not, nobody can say, and the caller has to hold the file first.
    func retain(_ key: InodeKey, knownSince time: UInt64) -> NodeID? {
        shard(of: key).pointee.withMap { map in
            guard let (index, record) = map.pointee.find(key, in: slab) else { return nil }
            guard record.payload.pointee.birth <= time else { return nil }
            return count(record, at: index, in: map)
        }
    }

    /// Whether a file is known right now.
    func contains(_ key: InodeKey) -> Bool {
        shard(of: key).pointee.withMap { map in map.pointee.find(key, in: slab) != nil }
    }

    private func count(
        _ record: Slab<Inode>.Record, at index: UInt32, in map: UnsafeMutablePointer<InodeShard.Map>
    ) -> NodeID {
        record.header.pointee.word.wrappingAdd(1, ordering: .relaxed)
        map.pointee.lookups &+= 1
        return NodeID(rawValue: UInt64(record.header.pointee.pins.generation) << 32 | UInt64(index))
    }

    /// Counts a lookup of the file that `descriptor` holds, and takes the descriptor over.
    func adopt(_ descriptor: consuming OwnedDescriptor, _ status: borrowing statx) throws(Errno) -> NodeID {
        let key = InodeKey(status)
        let birth = births.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
        let new = Inode(key: key, birth: birth, descriptor: descriptor.descriptor, mode: status.stx_mode)
        let (node, isNew) = try shard(of: key).pointee.withMap { map throws(Errno) in
            if let (index, record) = map.pointee.find(key, in: slab) {
                return (count(record, at: index, in: map), false)
            }
            let name = try slab.insert(new, word: 1) { record, index in map.pointee.link(record, at: index, in: slab) }
            map.pointee.lookups &+= 1
            return (NodeID(rawValue: name), true)
        }
        if isNew { _ = descriptor.release() }  // if not, it is one too many and closed here
        return node
    }

    /// Takes back `count` lookups, or as many as there are.
    func forget(_ node: NodeID, count: UInt64) {
        guard node != .root, let pin = slab.pin(node.rawValue) else { return }
        defer { unpin(pin) }
        shard(of: pin.payload.key).pointee.withMap { map in
            let lookups = pin.header.pointee.word.load(ordering: .relaxed)
            guard lookups > 0 else { return }  // somebody else was faster
            let taken = min(lookups, count)
            pin.header.pointee.word.store(lookups - taken, ordering: .relaxed)
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
    }

    /// Bytes of this process that a node takes, apart from its share of the buckets.
    static var bytesPerInode: Int { Slab<Inode>.recordSize }
}
