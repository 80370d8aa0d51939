import CKernel
import Glibc

/// The process's own limits (getrlimit(2)).
public enum ResourceLimits {
    /// Raises the number of open files as far as this process may: with the privilege (CAP_SYS_RESOURCE) to what the
    /// kernel allows any process (`fs.nr_open`), else to the hard limit. The limit then in force.
    @discardableResult
    public static func raiseOpenFiles() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        let wanted = max(largestOpenFiles(), limit.rlim_max)
        var raised = rlimit(rlim_cur: wanted, rlim_max: wanted)
        if setrlimit(resource, &raised) != 0 {
            limit.rlim_cur = limit.rlim_max
            _ = setrlimit(resource, &limit)
        }
        _ = getrlimit(resource, &limit)
        return Int(clamping: limit.rlim_cur)
    }

    /// Sets the number of open files; whether the kernel lets this process do so.
    public static func setOpenFiles(_ count: Int) -> Bool {
        let wanted = rlim_t(count)
        var limit = rlimit(rlim_cur: wanted, rlim_max: wanted)
        return setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
    }

    private static func largestOpenFiles() -> rlim_t {
        guard let file = fopen("/proc/sys/fs/nr_open", "re") else { return 0 }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 32)
        guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
        return rlim_t(strtoull(text, nil, 10))
    }
}

extension ResourceLimits {
    /// How many files this process may have open now (`RLIMIT_NOFILE`).
    public static var openFiles: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// Makes room for that many open files in the kernel's table of this process's descriptors, or for as many as are
    /// allowed; 8 bytes each.
    ///
    /// The table grows by itself, but in a process of several threads whoever opens the file that finds it full then
    /// waits for an RCU grace period, 10 ms or so, and all that wait for this thread with it. (expand_fdtable, fs/file.c.)
    public static func makeRoom(for files: Int) {
        let root = ck_openat(AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0)
        guard root >= 0 else { return }
        defer { close(root) }
        let last = ck_fcntl_int(root, F_DUPFD_CLOEXEC, Int32(clamping: min(files, openFiles) - 1))
        if last >= 0 { close(last) }
    }
}
