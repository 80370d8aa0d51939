public import CKernel

extension timespec {
    /// The time of day that the kernel stamps files with: that of its clock's last tick, every 10 ms at least
    /// (`CLOCK_REALTIME_COARSE`, clock_gettime(2)); no system call on Linux.
    public static var ofLastTick: timespec {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        return time
    }
}

/// The two special times of utimensat(2), which the C header has as macros that don't import (bits/stat.h).
extension timespec {
    /// The time of the call (`UTIME_NOW`).
    public static var now: timespec { timespec(tv_sec: 0, tv_nsec: (1 << 30) - 1) }
    /// Leaves the time as it is (`UTIME_OMIT`).
    public static var unchanged: timespec { timespec(tv_sec: 0, tv_nsec: (1 << 30) - 2) }
}
