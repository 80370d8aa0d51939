import Glibc
import Syscalls
import SystemPackage

/// Descriptors 0 to 2 of a process that is about to be confined.
enum StandardDescriptors {
    /// Nothing is read from standard input, which may be somebody's terminal. Where there is no standard output or
    /// standard error, what is opened next must not pass for it.
    static func secure() throws(SandboxError) {
        // Without a controlling terminal nothing can be typed into it (ioctl(2), TIOCSTI).
        _ = setsid()
        let null = try step("open /dev/null") { () throws(Errno) in
            try FileDescriptor.workingFolder.openAt("/dev/null", flags: O_RDWR)
        }
        dup2(null.rawValue, 0)
        for output in Int32(1)...2 where fcntl(output, F_GETFD) < 0 { dup2(null.rawValue, output) }
        if null.rawValue > 2 { close(null.rawValue) }
    }
}
