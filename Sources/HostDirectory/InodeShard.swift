import Synchronization
import Syscalls

/// A part of the inodes by key: lists of places in a slab, linked through the records themselves.
struct InodeShard: ~Copyable {
    typealias Record = UnsafeMutablePointer<Slab<Inode>.Record>

    let lock = Lock()
    var map = Map()

    /// To be used with the shard's lock held.
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
                if record.pointee.payload.key == key { return (index, record) }
                index = record.pointee.next
            }
            return nil
        }

        mutating func link(_ record: Record, at index: UInt32, in slab: Slab<Inode>) {
            if count >= capacity { grow(in: slab) }
            push(record, at: index)
            count += 1
        }

        private func push(_ record: Record, at index: UInt32) {
            let bucket = bucket(of: record.pointee.payload.key)
            record.pointee.next = bucket.pointee
            bucket.pointee = index
        }

        mutating func unlink(_ record: Record, at index: UInt32, in slab: Slab<Inode>) {
            let bucket = bucket(of: record.pointee.payload.key)
            count -= 1
            guard bucket.pointee != index else {
                bucket.pointee = record.pointee.next
                return
            }
            var previous = slab.record(at: bucket.pointee)
            while previous.pointee.next != index { previous = slab.record(at: previous.pointee.next) }
            previous.pointee.next = record.pointee.next
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
                    record.pointee.word.store(0, ordering: .relaxed)
                    index = record.pointee.next
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
                    let next = record.pointee.next
                    push(record, at: index)
                    index = next
                }
            }
            old.deallocate()
        }
    }
}
