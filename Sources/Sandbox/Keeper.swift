import Glibc
import Syscalls
import SystemPackage

/// The process that stays outside of a sandbox, and waits for the one inside. It passes signals on, ends as that one
/// does, and takes that one along when it is killed.
enum Keeper {
    private static let passedOn = [SIGINT, SIGTERM, SIGHUP]
    /// The exit status where a signal ended the other process.
    private static let failure: Int32 = 1

    /// Returns in the child only.
    static func fork(atEnd: () -> Void) throws(SandboxError) {
        let before = SignalSet(passedOn + [SIGCHLD]).block()
        let line = try Lifeline()
        let child = try step("fork") { () throws(Errno) in try ChildProcess.fork() }
        guard child == 0 else {
            line.hold()
            watch(child, atEnd)
        }
        before.replaceBlocked()
        try line.follow()
    }

    private static func watch(_ child: pid_t, _ atEnd: () -> Void) -> Never {
        let signals = SignalSet(passedOn + [SIGCHLD])
        while true {
            do throws(Errno) {
                let signal = try signals.next()
                if signal != SIGCHLD {
                    kill(child, signal)
                } else if let end = try ChildProcess.end(of: child) {
                    atEnd()
                    exit(status(of: end))
                }
            } catch {
                // There is no such child any more: somebody else has reaped it.
                atEnd()
                exit(failure)
            }
        }
    }

    private static func status(of end: ChildProcess.End) -> Int32 {
        switch end {
        case .exit(let status): return status
        case .signal(SIGSYS):
            say("a system call that the filter refuses ended the device (its number: --seccomp trap or log)")
        case .signal(let signal): say("signal \(signal) (\(String(cString: strsignal(signal)))) ended the device")
        }
        return failure
    }

    private static func say(_ text: String) {
        let line = "virtiofs: \(text)\n"
        _ = write(STDERR_FILENO, line, line.utf8.count)
    }
}

/// Lets a child end with its parent, however that ends.
private struct Lifeline {
    private let readEnd: FileDescriptor
    private let writeEnd: FileDescriptor

    init() throws(SandboxError) {
        (readEnd, writeEnd) = try step("make a pipe") { () throws(Errno) in try ChildProcess.pipe() }
    }

    /// For the parent, which holds its end as long as it lives.
    func hold() { readEnd.closeOwned() }

    /// For the child.
    func follow() throws(SandboxError) {
        writeEnd.closeOwned()
        try step("follow the parent") { () throws(Errno) in try ProcessControl.endWithParent(SIGKILL) }
        // It may have gone before that call. A namespace's first process can't see by its parent's number.
        var polled = pollfd(fd: readEnd.rawValue, events: Int16(POLLIN), revents: 0)
        if poll(&polled, 1, 0) != 0 { exit(EXIT_FAILURE) }
        readEnd.closeOwned()
    }
}
