import CKernel
public import SystemPackage

/// Signals that a thread waits for, in place of a handler.
public struct SignalSet: @unchecked Sendable {
    private var set = sigset_t()

    public init(_ signals: [Int32]) {
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
    }

    /// Keeps them from the calling thread, beside those that are kept from it already; what was kept before. The
    /// corresponding call is pthread_sigmask(3).
    public func block() -> SignalSet {
        var before = self
        var wanted = set
        pthread_sigmask(SIG_BLOCK, &wanted, &before.set)
        return before
    }

    /// Keeps these from the calling thread, and no others.
    public func replaceBlocked() {
        var wanted = set
        pthread_sigmask(SIG_SETMASK, &wanted, nil)
    }

    /// Waits for one of them, which have to be blocked. The corresponding call is sigwaitinfo(2).
    public func next() throws(Errno) -> Int32 {
        var wanted = set
        return try checkRetrying { sigwaitinfo(&wanted, nil) }
    }
}
