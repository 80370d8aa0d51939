import GuestMemory
import Virtqueue

/// Chains that a thread has popped and walked at once, as leader, to be served one after the other once it has given up the
/// lead: the way of lead and ring from one processor to another costs as much as a small request. For the same reason they
/// are returned together: when the last is served, or one is about to block. Scratch memory of one thread.
final class ChainBatch {
    /// The last one waits for the others, and no thread that has nothing to do takes it. More than four make no more of
    /// small requests.
    static var largest: Int { 4 }

    private let lists = UnsafeMutablePointer<SegmentList>.allocate(capacity: largest)
    private let chains = UnsafeMutablePointer<PoppedChain>.allocate(capacity: largest)
    private var first = 0
    private var end = 0
    /// Those that were served and not returned yet: so many, from the first one on.
    private let served = UnsafeMutablePointer<Served>.allocate(capacity: largest)
    private var servedCount = 0
    /// In which they were popped. Nothing once all are returned: it holds guest memory that may be taken away.
    private(set) var view: RingView?

    /// - Parameter queueSize: the most descriptors that a chain of the queue can have.
    init(queueSize: UInt16) {
        for index in 0..<Self.largest { (lists + index).initialize(to: SegmentList(queueSize: queueSize)) }
    }

    deinit {
        lists.deinitialize(count: Self.largest)
        lists.deallocate()
        chains.deallocate()
        served.deallocate()
    }

    private struct Served {
        let chain: PoppedChain
        let written: UInt32
        /// Where it was returned: ``Virtqueue/UsedWriter/nextUsed``.
        var place: UInt16 = 0
    }

    var isEmpty: Bool { first == end }

    /// Adds a chain behind the others, which were popped in the same view; there is room for ``largest`` since the batch was
    /// empty.
    ///
    /// - Parameter view: whose owner keeps it meanwhile. It is held once for a batch: each reference more is counted in
    ///   memory that two threads share.
    func append(_ chain: PoppedChain, in view: Unmanaged<RingView>) throws(RingError) {
        precondition(servedCount == 0, "what was served is returned before more is popped")
        if isEmpty { (first, end) = (0, 0) }
        let available = view._withUnsafeGuaranteedRef { $0.available }
        try available.pointee.walk(from: chain, into: &lists[end])
        if isEmpty { self.view = view.takeUnretainedValue() }
        chains[end] = chain
        end += 1
    }

    /// Takes the first chain, and its buffers in exchange for a list that is not needed.
    func takeFirst(_ segments: inout SegmentList) -> PoppedChain {
        swap(&segments, &lists[first])
        let chain = chains[first]
        first += 1
        dropView()
        return chain
    }

    /// Takes the last chain.
    func takeLast() -> PoppedChain {
        end -= 1
        let chain = chains[end]
        dropView()
        return chain
    }

    private func dropView() { if isEmpty, servedCount == 0 { view = nil } }

    // MARK: what was served

    var hasServed: Bool { servedCount > 0 }

    /// Keeps the chain that was taken last, and served, to be returned with what comes behind it.
    func keep(_ chain: PoppedChain, written: UInt32) {
        precondition(servedCount == first - 1, "all that came before it are kept as well")
        (served + servedCount).initialize(to: Served(chain: chain, written: written))
        servedCount += 1
    }

    func returnServed(to used: borrowing UsedWriter) {
        for index in 0..<servedCount {
            served[index].place = used.nextUsed
            used.push(served[index].chain, written: served[index].written)
        }
    }

    /// Notes what was written into those that were just returned, and where they were. Another has been taken since the last
    /// of them.
    func noteServed(usedRing: GuestAddress?, into log: DirtyLog) {
        guard let view else { return }
        for index in 0..<servedCount {
            // Taking the next one left its buffers there.
            view.note(lists[index + 1].writable, written: served[index].written, into: log)
            view.noteUsed(at: served[index].place, usedRing: usedRing, into: log)
        }
    }

    func forgetServed() {
        servedCount = 0
        dropView()
    }
}
