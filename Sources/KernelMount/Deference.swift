import CKernel
import Synchronization
import Syscalls

/// Lets a reader defer to the program whose requests it serves: it has the idle policy while they follow each other quickly.
///
/// Who answers a request wakes the program that waits for it. Were the reader like any other thread, the scheduler would
/// send the program to a processor that has nothing to do, and each of the two would wake a sleeping processor in turn,
/// which takes longer than most requests. A processor that runs nothing but an idle thread counts as idle itself: so the
/// program comes back to where it was, beside the reader, puts the reader aside at once, and gives the processor back when
/// it waits for the next answer. (select_idle_sibling and sched_idle_cpu, kernel/sched/fair.c.)
///
/// The price is that the reader waits for whoever else wants its processor. So it defers only while the machine has nothing
/// else to do, and somebody looks after it: see ``rescue()``.
final class Deference: Sendable {
    /// The reader that defers; zero while there is none. Its negative while it is being rescued: it may not end meanwhile,
    /// because its number could be another thread's then.
    private let reader = Atomic<pid_t>(0)
    private let load = SystemLoad()
    private let isAllowed: Bool
    /// Others may be runnable on as many processors.
    private static let others = (Affinity.count - 1) / 2

    /// - Parameter isAllowed: whether a thread of this process may have the normal policy back: see ``SchedulingPolicy``.
    init(isAllowed: Bool) { self.isAllowed = isAllowed }

    /// Whether this thread has the normal policy, and may go to the idle one and back. Who runs a mount with another one
    /// (chrt(1)) means it.
    static func canReturn() -> Bool {
        SchedulingPolicy.isNormal && SchedulingPolicy.idle.set() && SchedulingPolicy.normal.set()
    }

    /// Whether this machine is at leisure: the calling thread is the only one that is to run, or there are processors left.
    var isMachineIdle: Bool { (load.runnableThreads ?? .max) <= 1 + Self.others }

    /// Makes the calling reader defer, if no other does.
    func begin(_ thread: pid_t) -> Bool {
        guard isAllowed else { return false }
        guard reader.compareExchange(expected: 0, desired: thread, ordering: .acquiringAndReleasing).exchanged else {
            return false
        }
        SchedulingPolicy.idle.set()
        // Whoever rescued it before it was idle came too early.
        if reader.load(ordering: .acquiring) != thread { SchedulingPolicy.normal.set() }
        return true
    }

    /// Whether the reader defers still.
    func holds(_ thread: pid_t) -> Bool { reader.load(ordering: .relaxed) == thread }

    func end(_ thread: pid_t) {
        if reader.compareExchange(expected: thread, desired: 0, ordering: .acquiringAndReleasing).exchanged {
            SchedulingPolicy.normal.set()
        }
        while reader.load(ordering: .acquiring) == -thread { yieldProcessor() }
    }

    /// Gives a reader that gets no further the normal policy back. Another thread has to do that: the reader doesn't run.
    func rescue() {
        let thread = reader.load(ordering: .relaxed)
        guard thread > 0,
            reader.compareExchange(expected: thread, desired: -thread, ordering: .acquiringAndReleasing).exchanged
        else { return }
        SchedulingPolicy.normal.set(for: thread)
        Affinity.roam(thread)
        reader.store(0, ordering: .releasing)
    }
}
