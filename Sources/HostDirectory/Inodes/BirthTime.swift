import CKernel
import Syscalls

/// When a file was made (`stx_btime`), which never changes: it tells the file from every later one that gets its inode
/// number.
struct BirthTime: BitwiseCopyable, Equatable {
    let seconds: Int64
    let nanoseconds: UInt32

    init(seconds: Int64, nanoseconds: UInt32) { (self.seconds, self.nanoseconds) = (seconds, nanoseconds) }

    /// Nothing where the file system does not tell, or no more than the second: two files can share that.
    init?(_ status: borrowing statx) {
        let time = status.stx_btime
        guard status.stx_mask & UInt32(STATX_BTIME) != 0, time.tv_nsec != 0 else { return nil }
        self.init(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }

    /// Whether no file that is made from now on can have the same. The kernel's clock for files ticks every 10 ms at least
    /// (CONFIG_HZ), and no file system rounds to more than 10 ms that tells more than the second (exFAT).
    var isOver: Bool {
        let now = timespec.ofLastTick
        guard seconds >= now.tv_sec - 1 else { return true }
        guard seconds <= now.tv_sec else { return false }
        return (now.tv_sec - Int(seconds)) * 1_000_000_000 + now.tv_nsec - Int(nanoseconds) > Self.precision
    }

    /// Nanoseconds: two ticks.
    private static let precision = 20_000_000
}
