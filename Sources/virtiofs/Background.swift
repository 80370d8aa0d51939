import CKernel
import Glibc

/// Going into the background: the command starts itself again in a session of its own, waits until that one says that
/// the mount is up, and returns.
enum Background {
    /// The descriptor on which the one in the background reports.
    private static let readyDescriptor: Int32 = 3

    static func run(isQuiet: Bool) throws {
        var ends: [Int32] = [0, 0]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { throw Failure("can't make a pipe") }
        let child = try spawn(readyEnd: ends[1])
        close(ends[1])
        let report = readAll(ends[0])
        guard report.isEmpty else {
            if !isQuiet { print(report, terminator: "") }
            return
        }
        var status: Int32 = 0
        waitpid(child, &status, 0)
        // It has said what was wrong itself.
        let code = (status & 0x7f) == 0 ? (status >> 8) & 0xff : 1
        exit(code == 0 ? 1 : code)
    }

    private static func spawn(readyEnd: Int32) throws -> pid_t {
        let given = try CommandCall(CommandLine.arguments).arguments
        let words = ["virtiofs"] + given + ["--ready-fd", String(readyDescriptor)]
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { pointers.forEach { free($0) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, readyEnd, readyDescriptor)
        // Whatever else the caller had open is not ours to keep: it may wait for the end of it.
        posix_spawn_file_actions_addclosefrom_np(&actions, readyDescriptor + 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSID))
        var child: pid_t = 0
        let error = posix_spawn(&child, "/proc/self/exe", &actions, &attributes, &pointers, ck_environ())
        guard error == 0 else { throw Failure("can't start in the background: \(String(cString: strerror(error)))") }
        return child
    }

    private static func readAll(_ descriptor: Int32) -> String {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = read(descriptor, &buffer, buffer.count), count > 0 { text += buffer[..<count] }
        close(descriptor)
        return String(decoding: text, as: UTF8.self)
    }

    /// In the one in the background: nothing is read or printed, and no program that is started from here, such as the
    /// fusermount3 that stays for `auto_unmount`, keeps the caller waiting for the end of a report.
    static func begin(readyFd: Int32) {
        _ = fcntl(readyFd, F_SETFD, FD_CLOEXEC)
        replace([STDIN_FILENO, STDOUT_FILENO])
        // It was started as /proc/self/exe, which is nobody's name for it.
        pthread_setname_np(pthread_self(), "virtiofs")
    }

    private static func replace(_ standard: [Int32]) {
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        for descriptor in standard { dup2(null, descriptor) }
        close(null)
    }

    /// Says that the mount is up: to who waits for it, or to the terminal.
    static func announce(_ text: String, mountPoint: String, _ readyFd: Int32?) {
        let line = "\(text); to unmount: fusermount3 -u \(mountPoint)\n"
        guard let readyFd else {
            print(line, terminator: "")
            fflush(nil)
            return
        }
        chdir("/")
        _ = line.withCString { write(readyFd, $0, strlen($0)) }
        close(readyFd)
        replace([STDERR_FILENO])
    }
}
