public import CKernel
import Glibc
public import SystemPackage

/// fork(2) and what goes with it, for a process that has one thread.
public enum ChildProcess {
    /// How a process ended.
    public enum End: Equatable, Sendable {
        case exit(Int32)
        case signal(Int32)

        /// - Parameter status: as wait(2) has it.
        init(status: Int32) { self = status & 0x7f == 0 ? .exit(status >> 8 & 0xff) : .signal(status & 0x7f) }
    }

    /// A copy of this process; zero in the copy. What stdio holds back is written first, so that it comes once.
    public static func fork() throws(Errno) -> pid_t {
        fflush(nil)
        return try check(ck_fork())
    }

    /// A pipe between the two: pipe2(2), closed on exec.
    public static func pipe() throws(Errno) -> (readEnd: FileDescriptor, writeEnd: FileDescriptor) {
        var ends: [Int32] = [0, 0]
        try check(pipe2(&ends, O_CLOEXEC))
        return (FileDescriptor(rawValue: ends[0]), FileDescriptor(rawValue: ends[1]))
    }

    /// Waits until the child `process` has ended. The corresponding call is waitpid(2).
    public static func wait(for process: pid_t) throws(Errno) -> End {
        var status: Int32 = 0
        try checkRetrying { waitpid(process, &status, 0) }
        return End(status: status)
    }

    /// How the child `process` has ended; nothing while it runs.
    public static func end(of process: pid_t) throws(Errno) -> End? {
        var status: Int32 = 0
        return try checkRetrying { waitpid(process, &status, WNOHANG) } == 0 ? nil : End(status: status)
    }

    /// Runs a program of `PATH` with this process's environment and waits for it.
    public static func run(_ words: [String]) throws(Errno) -> End {
        var pointers = words.map { strdup($0) } + [nil]
        defer { pointers.forEach { free($0) } }
        var child: pid_t = 0
        let error = posix_spawnp(&child, words[0], nil, nil, &pointers, ck_environ())
        guard error == 0 else { throw Errno(rawValue: error) }
        return try wait(for: child)
    }

    /// How many threads this process has.
    public static var threadCount: Int {
        var status = CKernel.stat()
        // A folder has a link for itself, one for its name, and one for each folder in it.
        return stat("/proc/self/task", &status) == 0 ? Int(status.st_nlink) - 2 : 1
    }
}
