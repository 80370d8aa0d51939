import CKernel
import Syscalls
public import SystemPackage

/// SIGINT, as something that happens to what is running and not to the process.
public final class Interrupts: @unchecked Sendable {
    private let signals: OwnedDescriptor
    private let stop: EventDescriptor
    private let lock = Lock()
    private var handler: (@Sendable () -> Void)?
    /// Whether the signal came when there was no handler.
    private var isPending = false
    private var thread: OSThread?

    /// Made before any thread is, so that all of them have the signal blocked.
    public init() throws(Errno) {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let descriptor = signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
        guard descriptor >= 0 else { throw .tooManyOpenFiles }
        signals = OwnedDescriptor(owning: FileDescriptor(rawValue: descriptor))
        stop = try EventDescriptor()
        thread = try OSThread(name: "interrupt") { [self] in watch() }
    }

    /// Sets what happens at the next SIGINT, or at once if one has come since the last handler went: whoever sends it can't
    /// know whether the command that is meant runs already.
    func onInterrupt(_ handler: (@Sendable () -> Void)?) {
        let isDue = lock.withLock {
            self.handler = handler
            guard handler != nil else { return false }
            defer { isPending = false }
            return isPending
        }
        if isDue { handler?() }
    }

    /// What has come so far was meant for nobody, also what the thread that waits was not awake for yet.
    func forget() {
        lock.withLock {
            _ = take()
            isPending = false
        }
    }

    /// Ends the thread that waits.
    public func end() {
        stop.ring()
        thread?.join()
        thread = nil
    }

    private func watch() {
        while true {
            let ready = Readiness.wait(readable: [stop.descriptor, signals.descriptor])
            if ready[0] { return }
            lock.withLock { () -> (@Sendable () -> Void)? in
                guard take() else { return nil }
                isPending = handler == nil
                return handler
            }?()
        }
    }

    /// Takes the signal if one has come, with the lock held; there is never more than one.
    private func take() -> Bool {
        var taken = signalfd_siginfo()
        return read(signals.rawValue, &taken, MemoryLayout<signalfd_siginfo>.size) > 0
    }
}
