import CKernel

/// How the scheduler weighs a thread of ours against others (sched(7)).
public enum SchedulingPolicy: Sendable {
    /// As any program (SCHED_OTHER).
    case normal
    /// Only where nobody else wants the processor (SCHED_IDLE): who is woken there takes it at once, and the scheduler
    /// counts a processor that runs nothing else as idle.
    case idle

    /// Whether the calling thread has the normal one.
    public static var isNormal: Bool { sched_getscheduler(0) == SCHED_OTHER }

    /// Sets it for a thread; whether that is allowed. Everybody may make a thread idle, but an ordinary user may not make
    /// it normal again (RLIMIT_NICE, CAP_SYS_NICE).
    ///
    /// - Parameter thread: its number; the calling one where there is none.
    @discardableResult
    public func set(for thread: Int32 = 0) -> Bool {
        var parameters = sched_param(sched_priority: 0)
        return sched_setscheduler(thread, self == .idle ? SCHED_IDLE : SCHED_OTHER, &parameters) == 0
    }
}
