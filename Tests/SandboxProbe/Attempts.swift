import CKernel
import CProbe
import Glibc
import Syscalls
import SystemPackage

/// The ways out, by their names; each says whether it is open, and leaves `errno` where it is not.
let attempts: [String: @Sendable (Outside) -> Bool] = [
    "absolute-path": { opens(AT_FDCWD, $0.path) },
    "path-above-root": { opens(AT_FDCWD, "/../../../.." + $0.path) },
    "path-above-working-folder": { opens(AT_FDCWD, "../../../../../.." + $0.path) },
    "symbolic-link": { outside in
        _ = symlinkat(outside.path, AT_FDCWD, outside.share + "link")
        return opens(AT_FDCWD, outside.share + "link")
    },
    "descriptors": { outside in (0..<Int32(256)).contains { opens($0, "../../../../../.." + outside.path) } },
    "folder-descriptors": { _ in (0..<Int32(256)).contains { leadsUp($0) } },
    "process-folder": { outside in
        // From a folder of /proc, if there is any.
        ["../root", "../../1/root", "../../\(outside.process)/root"].contains { way in
            (-1..<Int32(256)).contains { opens($0 < 0 ? AT_FDCWD : $0, way + outside.path) }
        }
    },
    "kernel-settings": { _ in
        (-1..<Int32(256)).contains { opens($0 < 0 ? AT_FDCWD : $0, "../../sys/kernel/core_pattern", O_WRONLY) }
    },
    "file-handle": { outside in
        guard let handle = outside.handle else { return false }
        let mount = openat(AT_FDCWD, outside.share, O_RDONLY | O_DIRECTORY)
        return open_by_handle_at(mount, handle.assumingMemoryBound(to: file_handle.self), O_RDONLY) >= 0
    },
    "device-node": { outside in
        // The number of /dev/zero, which does no harm here.
        guard mknod(outside.share + "device", S_IFCHR | 0o600, ck_makedev(1, 5)) == 0 else { return false }
        return opens(AT_FDCWD, outside.share + "device")
    },
    "second-root": { outside in
        mkdir(outside.share + "inner", 0o700)
        guard chroot(outside.share + "inner") == 0 else { return false }
        return opens(AT_FDCWD, "../../../../../.." + outside.path)
    },
    "program-of-the-share": { outside in
        let words = UnsafeMutablePointer<Int>.allocate(capacity: 4)
        for (index, word) in ["sh", "-c", "exit 3", nil].enumerated() { words[index] = address(word) }
        return call(SYS_execve, address(outside.share + "program"), Int(bitPattern: words), 0) == 0
    },
    "mount": { outside in
        mkdir(outside.share + "mount", 0o700)
        return CKernel.mount("none", outside.share + "mount", "tmpfs", 0, nil) == 0
    },
    "mount-copy": { outside in
        open_tree(AT_FDCWD, outside.share, UInt32(OPEN_TREE_CLONE | O_CLOEXEC)) >= 0
    },
    "unmount": { _ in umount2("/", Int32(MNT_DETACH)) == 0 },
    "read-only-off": { _ in CKernel.mount(nil, "/", nil, UInt(MS_REMOUNT | MS_BIND), nil) == 0 },
    "trace": { call(SYS_ptrace, 16, Int($0.process)) == 0 },  // PTRACE_ATTACH
    "memory-of-a-process": { outside in
        var byte: UInt8 = 0
        return withUnsafeMutableBytes(of: &byte) { bytes in
            var part = iovec(iov_base: bytes.baseAddress, iov_len: 1)
            return withUnsafeMutablePointer(to: &part) { pointer in
                let parts = Int(bitPattern: pointer)
                // Where it may read, there need not be anything at that address.
                return call(SYS_process_vm_readv, Int(outside.process), parts, 1, parts, 1) >= 0 || errno == EFAULT
            }
        }
    },
    "signal": { kill($0.process, 0) == 0 },
    "thread-signal": { call(SYS_tgkill, Int($0.process), Int($0.process), 0) == 0 },
    "processors-of-a-process": { outside in
        var processors = cpu_set_t()
        let size = MemoryLayout<cpu_set_t>.size
        guard sched_getaffinity(0, size, &processors) == 0 else { return false }
        return sched_setaffinity(outside.process, size, &processors) == 0
    },
    "process-descriptor": { call(SYS_pidfd_open, Int($0.process), 0) >= 0 },
    "signal-of-a-file": { outside in
        // The owner of a socket is sent signals when something arrives.
        (0..<Int32(256)).contains { fcntl($0, F_SETOWN, outside.process) == 0 }
    },
    "network": { outside in
        let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        return connects(connection, outside.loopback)
    },
    "abstract-socket": { outside in
        let connection = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        return connects(connection, outside.abstract)
    },
    "capabilities-back": { _ in
        let all = [__user_cap_data_struct](
            repeating: .init(effective: .max, permitted: .max, inheritable: 0), count: 2)
        return ck_capset(all) == 0
    },
    "host-name": { _ in sethostname("probe", 5) == 0 },
    "user-namespace": { _ in unshare(CLONE_NEWUSER) == 0 },
    "new-process": { _ in
        let child = fork()
        if child == 0 { _exit(0) }
        return child > 0
    },
    "memory-becomes-program": { _ in
        mmap(nil, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED
    },
    "terminal-input": { _ in (0..<Int32(3)).contains { call(SYS_ioctl, Int($0), Int(TIOCSTI), address("x")) == 0 } },
    "real-root": { _ in setresuid(0, 0, 0) == 0 && opens(AT_FDCWD, "/etc/shadow") },
]

private func fork() -> pid_t { ck_fork() }

private func opens(_ folder: Int32, _ path: String, _ flags: Int32 = O_RDONLY) -> Bool {
    openat(folder, path, flags | O_NONBLOCK) >= 0
}

/// Whether a descriptor is of a folder that has another one above it.
private func leadsUp(_ descriptor: Int32) -> Bool {
    var folder = Glibc.stat()
    var above = Glibc.stat()
    guard fstat(descriptor, &folder) == 0, folder.st_mode & S_IFMT == S_IFDIR,
        fstatat(descriptor, "..", &above, 0) == 0
    else { return false }
    return above.st_ino != folder.st_ino || above.st_dev != folder.st_dev
}

private func connects<Address>(_ connection: Int32, _ address: Address) -> Bool {
    guard connection >= 0 else { return false }
    return withUnsafePointer(to: address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(connection, $0, socklen_t(MemoryLayout<Address>.size)) == 0
        }
    }
}

private func call(_ number: Int32, _ arguments: Int...) -> Int {
    let words = arguments + [Int](repeating: 0, count: 5 - arguments.count)
    return probe_call(Int(number), words[0], words[1], words[2], words[3], words[4])
}

/// A string for a system call. It is never freed: the process ends soon.
private func address(_ text: String?) -> Int { text.map { Int(bitPattern: strdup($0)) } ?? 0 }
