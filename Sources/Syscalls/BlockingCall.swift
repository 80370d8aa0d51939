public import SystemPackage

import CKernel

/// One system call that may block for as long as another process likes, and that another thread can end.
///
/// A signal makes it return with EINTR. One that comes just before the call begins is lost, so while the call lasts a
/// timer repeats the signal now and then.
public final class BlockingCall: @unchecked Sendable {
    private static let tick = 200_000_000  // nanoseconds

    private let lock = Lock()
    /// Guarded by `lock`.
    private var isEnded = false
    private var thread: pthread_t?

    public init() {}

    /// Makes `call` on this thread until it succeeds, and throws its errno if it fails.
    ///
    /// - Throws: EINTR when ``end()`` was called before it succeeded.
    public func run(_ call: () -> Int32) throws(Errno) {
        OSThread.allowInterruption()
        defer { OSThread.refuseInterruption() }
        lock.withLock { thread = pthread_self() }
        defer { lock.withLock { thread = nil } }
        var timer: timer_t?
        let ticks = ck_start_ticking(interruptSignal, Self.tick, &timer) == 0
        defer { if ticks { timer_delete(timer) } }
        while true {
            if lock.withLock({ isEnded }) { throw .interrupted }
            do throws(Errno) {
                try check(call())
                return
            } catch {
                guard error == .interrupted else { throw error }
            }
        }
    }

    /// Ends the call, if it has not succeeded.
    public func end() {
        lock.withLock {
            isEnded = true
            // The thread waits for this lock before it goes, so it is still there.
            if let thread { pthread_kill(thread, interruptSignal) }
        }
    }
}
