import CKernel
import Glibc
import Syscalls

/// Runs something that starts programs which complain on this process's standard error; what they said.
enum CapturedErrors {
    /// There is one standard error in a process.
    private static let lock = Lock()

    static func during(_ body: () -> Void) -> String {
        lock.withLock {
            let memory = memfd_create("errors", UInt32(MFD_CLOEXEC))
            let saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
            defer {
                close(memory)
                close(saved)
            }
            guard memory >= 0, saved >= 0, dup2(memory, STDERR_FILENO) >= 0 else {
                body()
                return ""
            }
            body()
            dup2(saved, STDERR_FILENO)
            return content(of: memory)
        }
    }

    private static func content(of file: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = pread(file, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
