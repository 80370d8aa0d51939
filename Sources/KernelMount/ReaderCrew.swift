import Synchronization
import Syscalls
import SystemPackage

/// Which of a mount's readers wait for requests, and which are parked.
///
/// With little to do, one reader receives: a request then wakes always the same thread, whose caches know what it does.
/// When requests pile up behind the one that it has taken, it calls a parked one to help, which parks again when it has
/// to wait. And where all that receive are held up in what they serve, by a slow host file system for example, a guard
/// calls one: so somebody always takes the next request.
final class ReaderCrew: @unchecked Sendable {
    /// A request that took less time to come, in nanoseconds, had waited for a reader.
    private static let atOnce: UInt64 = 3_000
    /// How often a reader that is without a pause looks, in nanoseconds, whether another request waits, and looks, one
    /// behind the other, that have to find one before it calls for help. On one processor, a program's next request comes
    /// before the reader has returned from answering the last; beside what it waits for there may be a RELEASE or FORGET
    /// that it doesn't wait for; and where several programs take turns with one reader, a second one only makes all
    /// change places more often.
    private static let lookInterval: UInt64 = 250_000
    private static let piles = 4
    /// A helper that none of so many requests had waited for has nothing to do.
    private static let idleWaits = 8
    /// How often the guard looks, in nanoseconds, and how often in vain before it sleeps until there is work again.
    private static let tick = 10_000_000
    private static let quietTicks = 10

    private let count: Int
    /// Readers that wait at /dev/fuse, and those that serve.
    private let waiting = Atomic<Int>(0)
    private let serving = Atomic<Int>(0)
    private let parked = Atomic<Int>(0)
    /// Requests that were taken.
    private let taken = Atomic<UInt64>(0)
    /// Counts the calls that parked readers have not answered yet.
    private let calls = ParkingWord(0)
    private let isDismissed = Atomic<Bool>(false)
    /// 1 while the guard sleeps.
    private let guardSleeps = ParkingWord(0)
    private var guardThread: OSThread?
    let lookup: CallerLookup
    let deference: Deference
    let places: ThreadPlaces

    /// - Parameter count: of readers. One of them does not help, for when the others are held up.
    init(count: Int) throws(Errno) {
        self.count = count
        places = ThreadPlaces(count: count)
        lookup = try CallerLookup()
        deference = Deference(isAllowed: try Self.canDefer())
        guardThread = try OSThread(name: "reader-guard") { [self] in standGuard() }
    }

    /// Whether a thread of this process may defer: tried out on one that has nothing else to do.
    private static func canDefer() throws(Errno) -> Bool {
        let answer = ParkingWord(0)
        try OSThread(name: "deference") { answer.store(Deference.canReturn() ? 1 : 0) }.join()
        return answer.value == 1
    }

    // MARK: a reader

    /// Whether the calling reader has nothing to do, and another waits for requests: it is to give back what it holds for
    /// the next one, and to ``park(_:)``.
    ///
    /// - Parameter turn: the calling reader's own.
    func isSpare(_ turn: ReaderTurn) -> Bool { turn.isIdle && waiting.load(ordering: .acquiring) > 0 }

    /// Waits to be called for help.
    func park(_ turn: inout ReaderTurn) {
        park()
        turn = ReaderTurn(isIdle: false)
    }

    /// Waits for a request.
    func receive(
        from connection: KernelConnection, head: UnsafeMutableRawBufferPointer, rest: UnsafeMutableRawBufferPointer,
        _ turn: inout ReaderTurn
    ) -> KernelConnection.Received {
        waiting.wrappingAdd(1, ordering: .acquiringAndReleasing)
        let start = monotonicNanoseconds()
        let received = connection.receive(head: head, rest: rest)
        waiting.wrappingSubtract(1, ordering: .acquiringAndReleasing)
        turn.received = monotonicNanoseconds()
        turn.note(hadWaited: turn.received &- start < Self.atOnce)
        turn.isIdle = turn.waits >= Self.idleWaits
        if turn.hadWaited, turn.received &- turn.lastLook > Self.lookInterval { look(connection, &turn) }
        return received
    }

    /// Looks whether requests pile up, and calls for help if they do.
    private func look(_ connection: KernelConnection, _ turn: inout ReaderTurn) {
        turn.lastLook = turn.received
        turn.piles = connection.hasRequest ? turn.piles + 1 : 0
        guard turn.piles >= Self.piles else { return }
        turn.piles = 0
        if parked.load(ordering: .relaxed) > 1 { call() }
    }

    /// Whether the calling reader is the only one that has anything to do.
    var isAlone: Bool { parked.load(ordering: .relaxed) == count - 1 }

    /// The calling reader serves a request from here on.
    ///
    /// - Returns: whether another reader is left, so that an INTERRUPT or FORGET is received meanwhile.
    func beginServing() -> Bool {
        taken.wrappingAdd(1, ordering: .relaxed)
        // Sequentially consistent, as in sleepUntilBusy: either the guard sees this, or this sees that it sleeps.
        let busy = serving.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
        if guardSleeps.value == 1, guardSleeps.compareExchange(expected: 1, desired: 0) { guardSleeps.wake() }
        return busy < count
    }

    func endServing() { serving.wrappingSubtract(1, ordering: .relaxed) }

    private func park() {
        parked.wrappingAdd(1, ordering: .relaxed)
        defer { parked.wrappingSubtract(1, ordering: .relaxed) }
        while !isDismissed.load(ordering: .acquiring) {
            let open = calls.value
            if open == 0 {
                calls.park(while: 0)
            } else if calls.compareExchange(expected: open, desired: open - 1) {
                return
            }
        }
    }

    private func call() {
        if calls.compareExchange(expected: 0, desired: 1) { calls.wake() }
    }

    /// Lets nobody park any more: the mount is gone, or is to end.
    func dismiss() {
        isDismissed.store(true, ordering: .sequentiallyConsistent)
        calls.add(1)
        calls.wake(.max)
        guardSleeps.store(0)
        guardSleeps.wake()
        lookup.dismiss()
    }

    /// Waits for the guard and the lookups to end, after ``dismiss()``.
    func join() {
        lookup.join()
        guardThread?.join()
        guardThread = nil
    }

    // MARK: the guard

    private func standGuard() {
        var quiet = 0
        while !isDismissed.load(ordering: .acquiring) {
            let before = taken.load(ordering: .relaxed)
            if quiet < Self.quietTicks {
                guardSleeps.park(while: 0, nanoseconds: Self.tick)
            } else {
                sleepUntilBusy()
                quiet = 0
            }
            let isStill = taken.load(ordering: .relaxed) == before
            if isStill { deference.rescue() }
            quiet = isStill ? quiet + 1 : 0
            let isHeldUp = serving.load(ordering: .relaxed) > 0 && waiting.load(ordering: .relaxed) == 0
            if isStill, isHeldUp, parked.load(ordering: .relaxed) > 0 { call() }
        }
    }

    private func sleepUntilBusy() {
        guardSleeps.store(1)
        if serving.load(ordering: .sequentiallyConsistent) > 0 || isDismissed.load(ordering: .sequentiallyConsistent) {
            guardSleeps.store(0)
        }
        while guardSleeps.value == 1 { guardSleeps.park(while: 1) }
    }
}

/// What a reader has seen lately. At first it is idle: one that somebody waits beside parks at once.
struct ReaderTurn {
    /// Whether the last request had waited for a reader.
    private(set) var hadWaited = false
    /// Requests, one behind the other, that the reader has waited for.
    var waits = 0
    var isIdle = true
    /// When the last request came, in nanoseconds of the monotonic clock.
    var received: UInt64 = 0
    /// When it last looked whether requests pile up, or had to wait for one.
    var lastLook: UInt64 = 0
    /// Looks, one behind the other, that found a request.
    var piles = 0

    mutating func note(hadWaited isLate: Bool) {
        hadWaited = isLate
        waits = isLate ? 0 : waits + 1
        guard !isLate else { return }
        lastLook = received
        piles = 0
    }
}
