import CKernel
import Syscalls
import SystemPackage

/// SIGINT, SIGTERM and SIGHUP, as something to wait for. Made before any thread is.
struct StopSignals: ~Copyable {
    private let signals: OwnedDescriptor

    init() throws {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        // A peer that goes away while we write is an error of that write.
        ck_ignore_signal(SIGPIPE)
        let descriptor = signalfd(-1, &set, Int32(SFD_CLOEXEC))
        guard descriptor >= 0 else { throw Failure("can't make a signalfd") }
        signals = OwnedDescriptor(owning: FileDescriptor(rawValue: descriptor))
    }

    /// Readable once a signal has come.
    var descriptor: FileDescriptor { signals.descriptor }

    /// Waits until a signal comes or `other` is readable.
    func wait(orEndOf other: FileDescriptor) {
        var polled = [
            pollfd(fd: signals.rawValue, events: Int16(POLLIN), revents: 0),
            pollfd(fd: other.rawValue, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&polled, 2, -1) <= 0 {}
    }
}
