import CKernel
import Synchronization
import SystemPackage

/// Something that one thread says to another.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
}

extension Scene {
    /// Runs `body` as another process would, and interrupts the call that it waits in until it has returned. Where
    /// nothing interrupts it for ten seconds, `release` ends its wait.
    func interrupting(
        orRelease release: () throws -> Void, _ body: @escaping @Sendable () throws -> Void
    ) throws {
        let signal = SIGUSR2
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        var before = sigaction()
        sigaction(signal, &action, &before)
        defer { sigaction(signal, &before, nil) }
        let isDone = Flag()
        let thread = try startOtherProcess {
            var set = sigset_t()
            sigemptyset(&set)
            sigaddset(&set, signal)
            pthread_sigmask(SIG_UNBLOCK, &set, nil)
            defer { isDone.set() }
            try body()
        }
        let deadline = ContinuousClock.now + .seconds(10)
        while !isDone.isSet, ContinuousClock.now < deadline {
            thread.waitUntilAsleep()
            if !isDone.isSet { thread.interrupt(signal) }
        }
        if !isDone.isSet { try release() }
        try thread.join()
    }
    /// Repeats `body` while it fails with `error`, for at most ten seconds: what is given back in the background is
    /// given back soon.
    func soon(after error: Errno, _ body: () throws(Errno) -> Void) throws(Errno) {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            do throws(Errno) {
                return try body()
            } catch let seen {
                guard seen == error, ContinuousClock.now < deadline else { throw seen }
                sched_yield()
            }
        }
    }
}
