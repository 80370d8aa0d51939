import GuestMemory
import Synchronization

/// The device's own copies of the descriptors of chains in flight in a packed queue.
///
/// Used descriptors are written in ring order over whatever lies there, so a chain that is returned early overwrites
/// the descriptors of one that is still in flight (virtio 1.4, 2.8). To walk a chain later, it has to be copied when
/// it is popped. There is room for as many descriptors as the ring has: a driver with more than that in flight has
/// overwritten what was not used yet.
///
/// The reader of the ring takes room, the writer gives it back; they may be on different threads, and what the writer
/// gives back goes through a ring of its own.
@safe final class PackedChainStore: @unchecked Sendable {
    private struct Entry {
        var descriptor: PackedDescriptor
        /// The next entry of the chain or of the free list.
        var next: UInt16
        /// For the first entry of a chain: how many it has.
        var count: UInt16 = 0
    }

    private let entries: UnsafeMutableBufferPointer<Entry>
    // Of the reader's thread.
    private var firstFree: UInt16 = 0
    private var freeCount: UInt16
    private var collected: UInt64 = 0
    // Written by the writer's thread, then read by the reader's.
    private let finished: UnsafeMutableBufferPointer<UInt16>
    private let finishedCount = Atomic<UInt64>(0)

    init(size: UInt16) {
        freeCount = size
        unsafe entries = .allocate(capacity: Int(size))
        unsafe finished = .allocate(capacity: Int(size))
        unsafe finished.initialize(repeating: 0)
        let nothing = PackedDescriptor(address: GuestAddress(0), length: 0, id: 0, flags: 0)
        for index in unsafe entries.indices {
            unsafe entries.initializeElement(at: index, to: Entry(descriptor: nothing, next: UInt16(index + 1)))
        }
    }

    deinit {
        unsafe entries.deallocate()
        unsafe finished.deallocate()
    }

    /// Room for a chain that is being copied, entry by entry; nothing is taken before ``commit(_:)``.
    struct Draft {
        fileprivate let first: UInt16
        fileprivate var next: UInt16
        fileprivate(set) var count: UInt16 = 0
    }

    func makeDraft() -> Draft {
        collectFinished()
        return Draft(first: firstFree, next: firstFree)
    }

    /// Appends a descriptor; false when there is no room.
    func append(_ descriptor: PackedDescriptor, to draft: inout Draft) -> Bool {
        guard draft.count < freeCount else { return false }
        unsafe entries[Int(draft.next)].descriptor = descriptor
        draft.next = unsafe entries[Int(draft.next)].next
        draft.count += 1
        return true
    }

    /// Takes the room; where the chain is.
    func commit(_ draft: Draft) -> UInt16 {
        unsafe entries[Int(draft.first)].count = draft.count
        firstFree = draft.next
        freeCount -= draft.count
        return draft.first
    }

    /// The descriptor at `index`, and where the next one is.
    func descriptor(_ index: UInt16) -> (descriptor: PackedDescriptor, next: UInt16) {
        unsafe (entries[Int(index)].descriptor, entries[Int(index)].next)
    }

    /// Gives back the room of the chain at `first`. On the writer's thread. There are never more chains than entries,
    /// so the ring of finished ones cannot overflow.
    func finish(_ first: UInt16) {
        let count = finishedCount.load(ordering: .relaxed)
        unsafe finished[Int(count) % finished.count] = first
        // Releases: the reader that sees the count sees the entry above.
        finishedCount.store(count &+ 1, ordering: .releasing)
    }

    private func collectFinished() {
        let count = finishedCount.load(ordering: .acquiring)
        while collected != count {
            let first = unsafe finished[Int(collected) % finished.count]
            collected &+= 1
            var last = first
            for _ in unsafe 1..<max(1, entries[Int(first)].count) { last = unsafe entries[Int(last)].next }
            unsafe entries[Int(last)].next = firstFree
            firstFree = first
            unsafe freeCount += entries[Int(first)].count
        }
    }
}
