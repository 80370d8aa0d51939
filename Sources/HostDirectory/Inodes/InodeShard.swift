import Synchronization
import Syscalls

/// A part of the inodes by key: lists of places in a slab, linked through the records themselves.
struct InodeShard: ~Copyable {
    typealias Record = Slab<Inode>.Record

    private let lock = Lock()
    /// What the lock guards. In memory of its own, so that to change it is not to change the lock's neighbour.
    private let map: UnsafeMutablePointer<Map>

    init() {
        map = .allocateOnOwnCacheLines()
        map.initialize(to: Map())
    }

    deinit {
        map.deinitialize(count: 1)
        map.deallocate()
    }

    /// Runs `body` with the lock held. It must not make a call that can block.
    @inline(__always)
    func withMap<Result, Failure: Error>(
        _ body: (UnsafeMutablePointer<Map>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(map)
    }

    struct Map: ~Copyable {
        private var buckets: UnsafeMutablePointer<UInt32>
        /// A power of two.
        private var capacity = 16
        private(set) var count = 0
        /// The sum of nlookup of all inodes here.
        var lookups: UInt64 = 0

        init() {
            buckets = .allocate(capacity: capacity)
            buckets.initialize(repeating: 0, count: capacity)
        }

        deinit { buckets.deallocate() }

        private func bucket(of key: InodeKey) -> UnsafeMutablePointer<UInt32> {
            buckets + Int(truncatingIfNeeded: key.hash & UInt64(capacity - 1))
        }

        func find(_ key: InodeKey, in slab: Slab<Inode>) -> (index: UInt32, record: Record)? {
            var index = bucket(of: key).pointee
            while index != 0 {
                let record = slab.record(at: index)
                if record.payload.pointee.key == key, !record.isDisplaced { return (index, record) }
                index = record.next
            }
            return nil
        }

        mutating func link(_ record: Record, at index: UInt32, in slab: Slab<Inode>) {
            if count >= capacity { grow(in: slab) }
            push(record, at: index)
            count += 1
        }

        private func push(_ record: Record, at index: UInt32) {
            let bucket = bucket(of: record.payload.pointee.key)
            record.next = bucket.pointee
            bucket.pointee = index
        }

        mutating func unlink(_ record: Record, at index: UInt32, in slab: Slab<Inode>) {
            let bucket = bucket(of: record.payload.pointee.key)
            count -= 1
            guard bucket.pointee != index else {
                bucket.pointee = record.next
                return
            }
            var previous = slab.record(at: bucket.pointee)
            while previous.next != index { previous = slab.record(at: previous.next) }
            previous.next = record.next
        }

        /// Empties the map: what was in it, each pinned, with no lookup left.
        mutating func removeAll(in slab: Slab<Inode>) -> [Slab<Inode>.Pin] {
            var removed: [Slab<Inode>.Pin] = []
            removed.reserveCapacity(count)
            for bucket in 0..<capacity {
                var index = buckets[bucket]
                buckets[bucket] = 0
                while index != 0 {
                    let record = slab.record(at: index)
                    if let pin = slab.pin(at: index) { removed.append(pin) }
                    record.header.pointee.word.store(0, ordering: .relaxed)
                    index = record.next
                }
            }
            (count, lookups) = (0, 0)
            return removed
        }

        private mutating func grow(in slab: Slab<Inode>) {
            let (old, oldCapacity) = (buckets, capacity)
            capacity *= 2
            buckets = .allocate(capacity: capacity)
            buckets.initialize(repeating: 0, count: capacity)
            for bucket in 0..<oldCapacity {
                var index = old[bucket]
                while index != 0 {
                    let record = slab.record(at: index)
                    let next = record.next
                    push(record, at: index)
                    index = next
                }
            }
            old.deallocate()
        }
    }
}
