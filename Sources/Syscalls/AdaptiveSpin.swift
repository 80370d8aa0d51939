import CKernel

/// How long a thread that ran out of work looks for more before it sleeps.
///
/// To look is worth a processor only where more comes soon and nothing else wants the processor. So it goes by two things
/// that it sees for itself: how long the last waits were, and, when a look was interrupted, whether other threads get the
/// processor. One thread at a time.
public struct AdaptiveSpin: Sendable {
    /// The longest look, in nanoseconds; zero to sleep at once.
    private let longest: UInt64
    /// What the next wait is likely to be: a running mean of the last ones.
    private var expected: UInt64 = 0
    /// When the wait began.
    private var start: UInt64 = 0
    /// Until when the processors are taken to be busy.
    private var busyUntil: UInt64 = 0
    /// How often another thread had got the processor when that was last asked, and which thread asked.
    private var switches: (thread: pthread_t, count: Int)?

    /// A look takes well below a microsecond: so long a one was interrupted. By another thread, or by the kernel or a
    /// hypervisor, which says nothing of what is to be done here.
    private static let interruption: UInt64 = 20_000
    /// How long nobody looks after that.
    private static let retreat: UInt64 = 2_000_000

    public init(longest: UInt64) { self.longest = longest }

    /// Looks until there is work, or it is time to sleep; whether there is.
    @inlinable
    public mutating func spin(_ look: () -> Bool) -> Bool {
        guard begin() else { return false }
        var last = monotonicNanoseconds()
        while true {
            if look() {
                end()
                return true
            }
            spinHint()
            let now = monotonicNanoseconds()
            guard goesOn(from: last, to: now) else { return false }
            last = now
        }
    }

    /// A wait begins; whether to look.
    @usableFromInline
    mutating func begin() -> Bool {
        guard longest > 0 else { return false }
        start = monotonicNanoseconds()
        return expected <= longest && start >= busyUntil
    }

    /// Whether to look again after a look that took so long.
    @usableFromInline
    mutating func goesOn(from last: UInt64, to now: UInt64) -> Bool {
        if now &- last > Self.interruption, wasPutAside() { busyUntil = now &+ Self.retreat }
        return now < busyUntil ? false : now &- start < longest
    }

    /// Whether another thread got the processor since this was last asked, as far as is known.
    private mutating func wasPutAside() -> Bool {
        let before = switches
        let now = (thread: pthread_self(), count: ck_involuntary_switches())
        switches = now
        guard let before, before.thread == now.thread, now.count >= 0 else { return true }
        return before.count != now.count
    }

    /// The wait that ``spin(_:)`` began is over.
    public mutating func end() {
        guard longest > 0 else { return }
        let wait = min(monotonicNanoseconds() &- start, 4 &* longest)
        expected = (3 &* expected &+ wait) / 4
    }
}
