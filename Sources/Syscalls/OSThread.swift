public import SystemPackage

import CKernel

/// A thread of ours: a pthread, never a Swift task, because it makes calls that block.
public final class OSThread: @unchecked Sendable {
    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private let handle: pthread_t

    /// Starts a thread that runs `body`. It must be joined, or detached.
    ///
    /// The thread has every signal blocked but SIGBUS and SIGSYS, and a umask (zero) and working folder of its own
    /// (`unshare(CLONE_FS)`), so that what it creates has just the mode that was asked for.
    ///
    /// - Parameter name: at most 15 bytes, as `top -H` shows it.
    public init(name: String, body: @escaping @Sendable () -> Void) throws(Errno) {
        var blocked = sigset_t()
        var before = sigset_t()
        sigfillset(&blocked)
        // A fault can't wait: were it blocked, the kernel would end the process.
        for fault in [SIGBUS, SIGSYS] { sigdelset(&blocked, fault) }
        pthread_sigmask(SIG_SETMASK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var handle = pthread_t()
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        let error = pthread_create(&handle, nil, { OSThread.run($0) }, start.toOpaque())
        guard error == 0 else {
            start.release()
            throw Errno(rawValue: error)
        }
        self.handle = handle
    }

    private static func run(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
        pthread_setname_np(pthread_self(), start.name)
        if unshare(CLONE_FS) == 0 { umask(0) }
        start.body()
        return nil
    }

    /// Waits until the thread has ended. Once, and not from the thread itself.
    public func join() { pthread_join(handle, nil) }

    /// Lets the thread end when it will, in place of ``join()``.
    public func detach() { pthread_detach(handle) }

    /// Interrupts the call that the thread blocks in, if any, with EINTR. See ``allowInterruption()``.
    public func interrupt() { pthread_kill(handle, interruptSignal) }

    /// Lets ``interrupt()`` reach the calling thread.
    public static func allowInterruption() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(interruptSignal, &action, nil)
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, interruptSignal)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// Keeps ``interrupt()`` from the calling thread again.
    static func refuseInterruption() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, interruptSignal)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }
}

/// The signal that ends a blocking call of one of our threads; it does nothing else.
let interruptSignal = SIGUSR1
