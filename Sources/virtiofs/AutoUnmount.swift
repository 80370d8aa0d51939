import CKernel
import Glibc

/// A program that unmounts when this process has died, be it by SIGKILL.
///
/// libfuse has fusermount3 stay for this, which in 3.14 is not to be relied on. Before it unmounts it looks whether the
/// mount is dead: it may look before the kernel has closed /dev/fuse, and then leaves a mount that dies the next moment; and
/// as root it may not look at a mount that is only its owner's. statfs(2) is answered from no cache: here it waits until
/// the connection has ended.
enum AutoUnmount {
    /// What was unmounted, and what was mounted there since, is left alone: only a dead mount has no statfs(2).
    private static let script = "cat > /dev/null; stat -f -- \"$1\" || fusermount3 -u -q -z -- \"$1\""

    static func start(mountPoint: String) throws {
        // The kernel closes the other end when this process ends, however it does, and nobody before.
        var ends: [Int32] = [0, 0]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { throw Failure("can't make a pipe") }
        defer { close(ends[0]) }
        try start(mountPoint, waitingOn: ends[0])
    }

    private static func start(_ mountPoint: String, waitingOn descriptor: Int32) throws {
        let words = ["sh", "-c", script, "sh", mountPoint]
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { pointers.forEach { free($0) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, descriptor, STDIN_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        posix_spawn_file_actions_addchdir_np(&actions, "/")
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A Ctrl-C in the terminal is not for it.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSID))
        var child: pid_t = 0
        let error = posix_spawn(&child, "/bin/sh", &actions, &attributes, &pointers, ck_environ())
        guard error == 0 else { throw Failure("can't start /bin/sh: \(String(cString: strerror(error)))") }
    }
}
