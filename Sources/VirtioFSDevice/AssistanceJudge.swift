/// Whether an assistant is worth its while. It may not be: where no processor is free, or where the host lets only one at
/// a time do what is asked for, as with writes to one file. So it is tried, and the time that a chain takes compared.
struct AssistanceJudge {
    /// So many chains have to wait for the whole of a measurement.
    static let backlog: UInt16 = 2
    /// A chain that takes less is not worth the way from one processor to another, in nanoseconds.
    private static let expensive: UInt64 = 4_000
    /// How long it measures without an assistant, and with one: nanoseconds and chains.
    private static let alone: (time: UInt64, chains: UInt64) = (60_000, 2)
    private static let assisted: (time: UInt64, chains: UInt64) = (1_000_000, 16)
    /// How long it does without an assistant that was in vain, at first and at most, in nanoseconds.
    private static let pauses: (first: UInt64, longest: UInt64) = (10_000_000, 1_000_000_000)

    private var isAssisted = false
    private var start: (time: UInt64, chains: UInt64)?
    /// With how many chains since the start it looks at the clock: with twice as many each time, as a look takes about as
    /// long as it takes to pop a chain.
    private var nextLook: UInt64 = 0
    /// Nanoseconds a chain without an assistant.
    private var costAlone: UInt64 = 0
    private var notBefore: UInt64 = 0
    private var pause = pauses.first

    enum Verdict { case asBefore, call, dismiss }

    /// The leader is about to serve a chain.
    ///
    /// - Parameters:
    ///   - hasBacklog: whether more than ``backlog`` chains wait behind it.
    ///   - isAssisted: whether the assistant is at work.
    ///   - chains: how many were popped until now, by whomever.
    ///   - time: in nanoseconds.
    mutating func consider(
        hasBacklog: Bool, isAssisted: Bool, chains: UInt64, at time: @autoclosure () -> UInt64
    ) -> Verdict {
        guard hasBacklog else {
            start = nil
            return .asBefore
        }
        let least = isAssisted ? Self.assisted : Self.alone
        guard let start, isAssisted == self.isAssisted else {
            self.isAssisted = isAssisted
            self.start = (time(), chains)
            nextLook = least.chains
            return .asBefore
        }
        let count = chains &- start.chains
        guard count >= nextLook else { return .asBefore }
        nextLook = count * 2
        let now = time()
        let passed = now &- start.time
        guard passed >= least.time else { return .asBefore }
        self.start = nil
        let cost = passed / count
        return isAssisted ? judge(cost, at: now) : decide(cost, at: now)
    }

    /// Without an assistant: is one to be tried?
    private mutating func decide(_ cost: UInt64, at now: UInt64) -> Verdict {
        guard cost >= Self.expensive, now >= notBefore else { return .asBefore }
        costAlone = cost
        return .call
    }

    /// With one: it is to make a third more of it, and only of what is expensive.
    private mutating func judge(_ cost: UInt64, at now: UInt64) -> Verdict {
        if cost <= costAlone * 3 / 4 {
            pause = Self.pauses.first
            return cost >= Self.expensive / 2 ? .asBefore : .dismiss
        }
        notBefore = now &+ pause
        pause = min(pause * 2, Self.pauses.longest)
        return .dismiss
    }
}
