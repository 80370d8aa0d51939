import CKernel
import CSeccomp
import Glibc
import SystemPackage

/// What the device needs, found by tracing it under real guests and hostile ones, and by reading what it calls.
extension SystemCallRule {
    static var device: [SystemCallRule] {
        let plain = files + attributes + process + memoryAndThreads + messages
        return plain.map { SystemCallRule($0) } + youngCalls + limited
    }

    /// glibc makes a renameat2(2) without flags a renameat(2).
    private static let files = [
        "openat", "close", "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev",
        "pwritev2", "lseek", "fallocate", "ftruncate", "copy_file_range", "fsync", "fdatasync", "syncfs", "flock",
        "getdents64", "statx", "fstat", "newfstatat", "fstatfs", "faccessat", "faccessat2", "readlinkat", "mkdirat",
        "mknodat", "symlinkat", "linkat", "unlinkat", "renameat", "renameat2", "name_to_handle_at", "fchmod",
        "fchmodat", "fchown", "fchownat", "utimensat", "umask",
    ]

    private static let attributes = [
        "getxattr", "setxattr", "listxattr", "removexattr", "fgetxattr", "fsetxattr", "flistxattr", "fremovexattr",
    ]

    /// The identity that files are created with, signals, time.
    private static let process = [
        "setfsuid", "setfsgid", "getgroups", "setgroups", "capget", "capset", "getpid", "gettid", "geteuid", "getegid",
        "getuid",
        "getgid", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "timer_create",
        "timer_settime", "timer_delete", "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep",
        "gettimeofday", "getrandom", "exit", "exit_group",
    ]

    private static let memoryAndThreads = [
        "brk", "munmap", "mremap", "madvise", "membarrier", "memfd_create", "futex", "set_robust_list", "rseq",
        "sched_yield", "getrusage", "sched_getaffinity",
    ]

    /// The socket to the front end, which is open already, and what comes through it.
    private static let messages = [
        "accept4", "recvmsg", "sendmsg", "getsockopt", "poll", "ppoll", "eventfd2", "dup3", "shutdown",
    ]

    /// setxattrat(2) and its relatives.
    private static let youngCalls = [
        SystemCallRule("setxattrat", number: 463), SystemCallRule("getxattrat", number: 464),
        SystemCallRule("listxattrat", number: 465), SystemCallRule("removexattrat", number: 466),
    ]

    /// Calls that can do more than the device wants of them.
    private static var limited: [SystemCallRule] {
        threads + memory + controls.map { SystemCallRule("ioctl", [.argument(1, is: UInt64($0))]) }
            + fileCommands.map { SystemCallRule("fcntl", [.argument(1, is: UInt64($0))]) }
    }

    /// Threads, but no processes and no namespaces; signals to this process alone.
    private static var threads: [SystemCallRule] {
        let namespaces =
            CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP
        let mask = UInt64(UInt32(bitPattern: CLONE_THREAD | namespaces))
        return [
            SystemCallRule("clone", [.argument(0, masked: mask, is: UInt64(CLONE_THREAD))]),
            // Its flags are in memory, where no filter can look; glibc then uses clone(2).
            .failing("clone3", .noFunction),
            SystemCallRule("unshare", [.argument(0, is: UInt64(CLONE_FS))]),
            SystemCallRule("prctl", [.argument(0, is: UInt64(PR_SET_NAME))]),
            SystemCallRule("tgkill", [.argument(0, is: UInt64(getpid()))]),
            // What is open already, but no copy of a mount.
            SystemCallRule("open_tree", [.argument(2, masked: UInt64(OPEN_TREE_CLONE), is: 0)]),
            // Of the calling thread.
            SystemCallRule("sched_setaffinity", [.argument(0, is: 0)]),
            // getrlimit(3) of this process.
            SystemCallRule("prlimit64", [.argument(0, is: 0), .argument(2, is: 0)]),
        ]
    }

    /// No memory becomes a program.
    private static var memory: [SystemCallRule] {
        ["mmap", "mprotect"].map { SystemCallRule($0, [.argument(2, masked: UInt64(PROT_EXEC), is: 0)]) }
    }

    /// Flags of files (ioctl_iflags(2)), and what stdio asks of a terminal.
    private static let controls: [UInt32] = [
        ck_fs_ioc_getflags, ck_fs_ioc_setflags, ck_fs_ioc_fsgetxattr, ck_fs_ioc_fssetxattr, UInt32(TCGETS),
    ]

    /// Not F_SETOWN, which sends signals.
    private static let fileCommands = [
        F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFL, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_ADD_SEALS,
        F_GET_SEALS,
    ]
}
