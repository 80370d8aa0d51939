/// Whether an assistant is worth its while. It may not be: where no processor is free, or where the host lets only one at
/// a time do what is asked for, as with writes to one file. So it is tried, and the time that a chain takes compared.
///
/// Only time in which chains wait is looked at: who has caught up with the driver waits for it, however many he is.
struct AssistanceJudge {
    /// So many chains have to wait behind the one that is served.
    static let backlog: UInt16 = 2
    /// Chains that take less, in nanoseconds, are popped several at once: one is not worth the way of the ring from one
    /// processor to another.
    private static let expensive: UInt64 = 20_000
    /// How long it measures without an assistant, with one on trial, and with one that has shown its worth: nanoseconds and
    /// chains. What waits together is often of one kind, 64 CREATEs and then 64 RELEASEs: a shorter time would see one of
    /// both, and an assistant that is good for all be sent away sooner or later.
    private static let alone = Span(time: 1_000_000, chains: 8)
    private static let trial = Span(time: 2_000_000, chains: 16)
    private static let proven = Span(time: 10_000_000, chains: 16)
    /// For how long an assistant is called whenever chains wait until it is compared anew, in nanoseconds.
    private static let trust: UInt64 = 100_000_000
    /// How long it does without an assistant that was in vain, at first and at most, in nanoseconds.
    private static let pauses: (first: UInt64, longest: UInt64) = (10_000_000, 160_000_000)

    /// Time in which chains waited, and how many were popped in it.
    private struct Span {
        var time: UInt64 = 0
        var chains: UInt64 = 0
    }

    private var span = Span()
    private var assistedSpan = Span()
    /// Since when chains have been waiting without a break.
    private var start: Span?
    /// With how many chains it looks at the clock: with twice as many each time, as a look takes about as long as it takes
    /// to pop a chain.
    private var nextLook: UInt64 = 0
    private var wasAssisted = false
    /// Whether the assistant that is called has been worth it before.
    private var isProven = false
    /// Nanoseconds a chain without an assistant.
    private var costAlone: UInt64 = 0
    private var trustedUntil: UInt64 = 0
    private var notBefore: UInt64 = 0
    private var pause = pauses.first

    enum Verdict: Equatable {
        case asBefore
        /// So many chains are to be popped at once.
        case call(share: Int)
        case dismiss
    }

    /// The leader is about to pop.
    ///
    /// - Parameters:
    ///   - hasBacklog: whether more than ``backlog`` chains wait.
    ///   - isAssisted: whether the assistant is at work.
    ///   - chains: how many were popped until now, by whomever.
    ///   - time: in nanoseconds.
    mutating func consider(
        hasBacklog: Bool, isAssisted: Bool, chains: UInt64, at time: @autoclosure () -> UInt64
    ) -> Verdict {
        guard hasBacklog else {
            if let start { count(since: start, chains, at: time()) }
            start = nil
            return .asBefore
        }
        guard let start = self.start, isAssisted == wasAssisted else {
            let now = time()
            self.start = Span(time: now, chains: chains)
            wasAssisted = isAssisted
            nextLook = current.chains &+ least(isAssisted).chains
            return !isAssisted && now < trustedUntil ? call : .asBefore
        }
        guard current.chains &+ chains &- start.chains >= nextLook else { return .asBefore }
        let now = time()
        count(since: start, chains, at: now)
        self.start = Span(time: now, chains: chains)
        nextLook = current.chains * 2
        let least = least(isAssisted)
        guard current.time >= least.time, current.chains >= least.chains else { return .asBefore }
        let cost = current.time / current.chains
        current = Span()
        nextLook = least.chains
        return isAssisted ? judge(cost, at: now) : decide(cost, at: now)
    }

    /// Nobody was called, or what was seen until now is worth nothing.
    mutating func startOver() { (span, start, trustedUntil) = (Span(), nil, 0) }

    private func least(_ isAssisted: Bool) -> Span {
        isAssisted ? isProven ? Self.proven : Self.trial : Self.alone
    }

    private var current: Span {
        get { wasAssisted ? assistedSpan : span }
        set { if wasAssisted { assistedSpan = newValue } else { span = newValue } }
    }

    private mutating func count(since start: Span, _ chains: UInt64, at now: UInt64) {
        current.time &+= now &- start.time
        current.chains &+= chains &- start.chains
    }

    private var call: Verdict { .call(share: costAlone < Self.expensive ? ChainBatch.largest : 1) }

    /// Without an assistant: is one to be tried?
    private mutating func decide(_ cost: UInt64, at now: UInt64) -> Verdict {
        guard now >= notBefore else { return .asBefore }
        costAlone = cost
        assistedSpan = Span()
        isProven = false
        trustedUntil = now &+ Self.trust
        return call
    }

    /// With one: it is to make a seventh more of it, and a third of what is expensive, for which it looks while it waits;
    /// half of that once it has.
    private mutating func judge(_ cost: UInt64, at now: UInt64) -> Verdict {
        let least = costAlone < Self.expensive ? costAlone * 7 / 8 : costAlone * 3 / 4
        if cost <= (isProven ? (least + costAlone) / 2 : least) {
            pause = Self.pauses.first
            isProven = true
            if now < trustedUntil { return .asBefore }
        } else {
            notBefore = now &+ pause
            pause = min(pause * 2, Self.pauses.longest)
        }
        // It was in vain, or what it was compared with is out of date.
        trustedUntil = 0
        return .dismiss
    }
}
