import GuestMemory

/// The ``InflightRegion`` of a split queue: `QueueRegionSplit` with a `DescStateSplit` for each descriptor.
///
/// Each store is a release, so that a process that dies at any moment leaves them behind in this order. A head is either
/// the reader's or the writer's, and so are its fields.
final class SplitInflight: @unchecked Sendable {
    private let region: InflightRegion
    private let size: UInt16
    /// How many chains were taken; the reader's.
    private var counter: UInt64 = 1
    /// Of the chains that were returned, the last; the writer's.
    private var lastReturned: UInt16 = 0
    /// Whether a device was there before.
    let isContinued: Bool

    /// Takes over what a device before has left.
    ///
    /// - Parameter usedIndex: where the used ring stands.
    init(_ region: InflightRegion, size: UInt16, usedIndex: UInt16) throws(RingError) {
        self.region = region
        self.size = size
        isContinued = try region.wasUsed(queueSize: size)
        if isContinued {
            clearLastBatch(usedIndex)
        } else {
            for head in 0..<size { setInflight(head, false) }
        }
        usedIndexField.store(usedIndex)
        region.begin(queueSize: size)
    }

    private var lastBatchHead: SharedUInt16 { region.half(12) }
    private var usedIndexField: SharedUInt16 { region.half(14) }

    private func offset(of head: UInt16) -> Int { InflightRegion.Head.size + 16 * Int(head) }
    private func next(of head: UInt16) -> SharedUInt16 { region.half(offset(of: head) + 6) }
    private func counter(of head: UInt16) -> SharedUInt64 {
        unsafe SharedUInt64(at: region.base + offset(of: head) + 8)
    }
    private func setInflight(_ head: UInt16, _ isInflight: Bool) { region.setBytes(at: offset(of: head), isInflight) }

    /// What was returned just before the crash may still be marked as in flight. A batch that no queue can have means that
    /// the ring is another than it was, and nothing is in flight in it.
    private func clearLastBatch(_ usedIndex: UInt16) {
        let batch = usedIndex &- usedIndexField.load()
        guard batch <= size else {
            for head in 0..<size { setInflight(head, false) }
            return
        }
        var head = lastBatchHead.load()
        for _ in 0..<batch where head < size {
            setInflight(head, false)
            head = next(of: head).load()
        }
    }

    /// The heads of the chains that were in flight, in the order in which they were taken.
    func takeOver() -> [UInt16] {
        let found = (0..<size).filter { region.flag(at: offset(of: $0)) }.map { ($0, counter(of: $0).load()) }
        counter = (found.map(\.1).max() ?? 0) &+ 1
        return found.sorted { $0.1 < $1.1 }.map(\.0)
    }

    /// The reader has taken a chain.
    func take(_ head: UInt16) {
        counter(of: head).store(counter)
        counter &+= 1
        setInflight(head, true)
    }

    /// The writer is about to return a chain.
    func willReturn(_ head: UInt16) {
        next(of: head).store(lastReturned)
        lastBatchHead.store(head)
        lastReturned = head
    }

    /// The writer has returned it: the used ring now stands at `usedIndex`.
    func hasReturned(_ head: UInt16, usedIndex: UInt16) {
        setInflight(head, false)
        usedIndexField.store(usedIndex)
    }
}
