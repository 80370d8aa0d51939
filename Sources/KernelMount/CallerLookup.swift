import Synchronization
import Syscalls
import SystemPackage

/// Looks up on which processor a caller runs, on a thread of its own.
///
/// No reader may do that itself. Linux keeps who reads a process's status waiting while that process executes a new program;
/// and while it does so, it closes files, and waits for a reader to take the FLUSH. (begin_new_exec and do_close_on_exec,
/// fs/exec.c, hold exec_update_lock; do_task_stat, fs/proc/array.c, takes it.)
final class CallerLookup: @unchecked Sendable {
    /// The thread that is to be looked up; zero while there is none.
    private let asked = ParkingWord(0)
    /// What was found last: the thread, and in the lower half its processor.
    private let answer = Atomic<UInt64>(0)
    private let isDismissed = Atomic<Bool>(false)
    private let hasEnded = OneTimeEvent()
    private var thread: OSThread?

    init() throws(Errno) {
        thread = try OSThread(name: "caller-lookup") { [self] in work() }
    }

    /// Asks where a thread runs. Nothing happens where another answer is still awaited.
    func ask(_ caller: UInt32) {
        if asked.compareExchange(expected: 0, desired: caller) { asked.wake() }
    }

    /// Where a thread ran when it was looked up, if that was done last.
    func processor(of caller: UInt32) -> Int? {
        let found = answer.load(ordering: .relaxed)
        return found >> 32 == UInt64(caller) ? Int(found & 0xffff_ffff) : nil
    }

    private func work() {
        // Not to put aside who defers, for a look at where its caller is.
        SchedulingPolicy.idle.set()
        while !isDismissed.load(ordering: .acquiring) {
            let caller = asked.value
            guard caller != 0 else {
                asked.park(while: 0)
                continue
            }
            if let processor = Affinity.processor(of: caller) {
                answer.store(UInt64(caller) << 32 | UInt64(processor), ordering: .relaxed)
            }
            _ = asked.compareExchange(expected: caller, desired: 0)
        }
        hasEnded.signal()
    }

    func dismiss() {
        isDismissed.store(true, ordering: .releasing)
        // No thread has that number (PID_MAX_LIMIT, include/linux/threads.h).
        asked.store(.max)
        asked.wake()
    }

    /// Waits for the thread to end, after ``dismiss()``. One that waits for a process, which waits for a mount that nobody
    /// serves any more, is left to end when the mount does.
    func join() {
        if hasEnded.wait(seconds: 1) { thread?.join() } else { thread?.detach() }
        thread = nil
    }
}
