import Glibc
import Synchronization

/// Which inode each descriptor holds, by the descriptor's number, and a hand that goes round them (the clock algorithm).
///
/// What it says may be out of date: whoever goes by it looks at the inode.
final class DescriptorClock: @unchecked Sendable {
    private let owners: UnsafeMutablePointer<Atomic<UInt32>>
    private let capacity: Int
    /// Behind the highest number seen.
    private let end = Atomic<Int>(1)
    private let hand = Atomic<UInt64>(0)

    init(capacity: Int) {
        self.capacity = capacity
        // Fresh zeros cost nothing until they are touched, and are what Atomic(0) is.
        let memory = calloc(capacity, MemoryLayout<Atomic<UInt32>>.stride)!
        owners = memory.bindMemory(to: Atomic<UInt32>.self, capacity: capacity)
    }

    deinit { free(owners) }

    /// Numbers to look at for one time round.
    var count: Int { end.load(ordering: .relaxed) }

    func set(_ descriptor: Int32, to place: UInt32) {
        let number = Int(descriptor)
        guard number < capacity else { return }
        owners[number].store(place, ordering: .relaxed)
        if number >= end.load(ordering: .relaxed) { end.max(number + 1, ordering: .relaxed) }
    }

    func clear(_ descriptor: Int32) {
        guard Int(descriptor) < capacity else { return }
        owners[Int(descriptor)].store(0, ordering: .relaxed)
    }

    /// The place of the inode that the next descriptor holds; zero for none.
    func next() -> UInt32 {
        let turn = hand.wrappingAdd(1, ordering: .relaxed).oldValue
        return owners[Int(turn % UInt64(count))].load(ordering: .relaxed)
    }
}
