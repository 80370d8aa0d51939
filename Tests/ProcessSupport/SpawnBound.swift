public import CKernel
import Glibc
import Syscalls
public import SystemPackage

/// As ``spawn(_:environment:input:output:errors:)``, a program that is killed when this process ends, however it ends.
///
/// Linux kills it when the thread ends that started it (PR_SET_PDEATHSIG(2const)), and the threads that run tests come and
/// go. So it is started by a thread of its own, which then waits for its end. That one has the namespaces and the working
/// folder of the caller.
///
/// A program with privileges of its own, and one that changes its user, is not bound; nor is what a program starts, if it
/// doesn't see to that. `virtiofs serve` is: who stays outside of the sandbox changes none, and takes the other one along.
public func spawnBound(
    _ arguments: [String], environment: [String: String] = [:], input: FileDescriptor? = nil, output: FileDescriptor,
    errors: FileDescriptor
) throws -> pid_t {
    // This process may have ended before the program asks for the signal.
    let shell = ["/bin/sh", "-c", "[ $PPID = \(getpid()) ] && exec \"$@\"", "sh"]
    let words = [try find("setpriv"), "--pdeathsig", "KILL"] + shell + arguments
    let start = Start()
    let thread = try OSThread(name: "keeper") {
        start.begin { () throws(Errno) in
            try spawn(words, environment: environment, input: input, output: output, errors: errors)
        }
        start.waitForEnd()
    }
    thread.detach()
    return try start.wait().get()
}

private final class Start: @unchecked Sendable {
    private var result = Result<pid_t, Errno>.failure(.noChildProcess)
    private let hasResult = OneTimeEvent()

    func begin(_ spawn: () throws(Errno) -> pid_t) {
        result = Result(catching: spawn)
        hasResult.signal()
    }

    func wait() -> Result<pid_t, Errno> {
        hasResult.wait()
        return result
    }

    /// Leaves the program to whoever reaps it.
    func waitForEnd() {
        guard case .success(let child) = result else { return }
        var info = siginfo_t()
        while waitid(P_PID, id_t(child), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR {}
    }
}
