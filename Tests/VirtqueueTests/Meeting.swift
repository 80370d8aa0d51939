import CKernel
import Syscalls

/// A notification from one thread to another.
struct Bell: ~Copyable, Sendable {
    private let event: EventDescriptor
    private let spins: Bool
    private let isRung = ParkingWord()

    /// - Parameter spins: whether the listener polls, instead of sleeping.
    init(spins: Bool) throws {
        event = try EventDescriptor()
        self.spins = spins
    }

    func ring() {
        if spins { isRung.store(1) } else { event.ring() }
    }

    func wait(orUntil end: borrowing OneTimeEvent) {
        guard spins else { return event.wait() }
        var turns = 0
        while !isRung.compareExchange(expected: 1, desired: 0) && !end.hasHappened {
            turns += 1
            if turns % 200 == 0 { sched_yield() } else { spinHint() }
        }
    }
}

/// What the two threads of a notification test share besides guest memory.
final class Meeting: Sendable {
    let kick: Bell
    let interrupt: Bell
    let driverEnd = OneTimeEvent()
    let deviceEnd = OneTimeEvent()
    let givenUp = OneTimeEvent()
    private let lock = Lock()
    nonisolated(unsafe) private var recorded: [String] = []

    init(spins: Bool) throws {
        kick = try Bell(spins: spins)
        interrupt = try Bell(spins: spins)
    }

    var failures: [String] { lock.withLock { recorded } }

    func fail(_ text: String) { lock.withLock { recorded.append(text) } }

    /// Ends both threads, wherever they wait.
    func giveUp() {
        givenUp.signal()
        kick.ring()
        interrupt.ring()
    }
}
