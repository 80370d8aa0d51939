import CKernel

/// How much this machine has to do at present.
public final class SystemLoad: Sendable {
    /// -1 where there is no /proc.
    private let file: Int32

    public init() {
        file = ck_openat(AT_FDCWD, "/proc/loadavg", O_RDONLY | O_CLOEXEC, 0)
    }

    deinit { close(file) }

    /// Threads of the whole machine that run or want to, the calling one among them (proc_loadavg(5), the fourth field).
    /// It takes some 3 µs. Nothing where there is no /proc.
    public var runnableThreads: Int? {
        withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { buffer in
            let count = pread(file, buffer.baseAddress, buffer.count, 0)
            guard count > 0 else { return nil }
            let text = buffer[..<count]
            guard let slash = text.firstIndex(of: UInt8(ascii: "/")),
                let blank = text[..<slash].lastIndex(of: UInt8(ascii: " "))
            else { return nil }
            return text[(blank + 1)..<slash].reduce(0) { $0 * 10 + Int($1 &- UInt8(ascii: "0")) }
        }
    }
}
