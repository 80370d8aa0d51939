/// When a reader that serves several callers lets them have the processor before it looks for the next request.
///
/// Those whom it has just answered then make their next requests, and it finds one, without having slept: who makes a
/// request for a reader that sleeps has to wake it, which takes as long as much of the work. But a thread that doesn't wait
/// for this mount keeps the processor for milliseconds once it has it, in which a reader that slept would have been woken.
/// So it goes by how long the last time took.
struct GivingWay {
    /// Longer than callers take that make requests in quick succession, and much shorter than a slice of the scheduler's
    /// (2.8 ms with two processors). In nanoseconds, as all of this.
    private static let longest: UInt64 = 250_000
    /// For how long a reader doesn't give way after that: first, and at most.
    private static let pauses: (first: UInt64, longest: UInt64) = (40_000_000, 2_000_000_000)
    /// After so many times without it, it may be tried soon again.
    private static let proof = 1_000

    private var notBefore: UInt64 = 0
    private var pause = pauses.first
    private var good = 0

    func isWorthwhile(at now: UInt64) -> Bool { now >= notBefore }

    /// The reader gave way and has the processor again.
    mutating func note(from start: UInt64, to end: UInt64) {
        guard end &- start > Self.longest else {
            good += 1
            if good >= Self.proof { pause = Self.pauses.first }
            return
        }
        good = 0
        notBefore = end &+ pause
        pause = min(pause * 2, Self.pauses.longest)
    }
}
