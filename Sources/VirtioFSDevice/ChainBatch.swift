import Virtqueue

/// Chains that a thread has popped and walked at once, as leader, to be served one after the other once it has given up the
/// lead: the way of lead and ring from one processor to another costs as much as a small request. Scratch memory of one
/// thread.
final class ChainBatch {
    /// Each chain is returned as soon as it is served, so the last one waits for the others, and no thread that has nothing to
    /// do takes it. More than four make no more of small requests.
    static var largest: Int { 4 }

    private let lists = UnsafeMutablePointer<SegmentList>.allocate(capacity: largest)
    private let chains = UnsafeMutablePointer<PoppedChain>.allocate(capacity: largest)
    private var first = 0
    private var end = 0
    /// In which they were popped. Nothing once the batch is empty: it holds guest memory that may be taken away.
    private(set) var view: RingView?

    /// - Parameter queueSize: the most descriptors that a chain of the queue can have.
    init(queueSize: UInt16) {
        for index in 0..<Self.largest { (lists + index).initialize(to: SegmentList(queueSize: queueSize)) }
    }

    deinit {
        lists.deinitialize(count: Self.largest)
        lists.deallocate()
        chains.deallocate()
    }

    var isEmpty: Bool { first == end }

    /// Adds a chain behind the others, which were popped in the same view; there is room for ``largest`` since the batch was
    /// empty.
    ///
    /// - Parameter view: whose owner keeps it meanwhile. It is held once for a batch: each reference more is counted in
    ///   memory that two threads share.
    func append(_ chain: PoppedChain, in view: Unmanaged<RingView>) throws(RingError) {
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
        if isEmpty { view = nil }
        return chain
    }

    /// Takes the last chain.
    func takeLast() -> PoppedChain {
        end -= 1
        if isEmpty { view = nil }
        return chains[end]
    }
}
