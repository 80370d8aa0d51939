import CKernel
import Syscalls

/// Which bytes of a file one owner has locked, and for which process: what GETLK tells others, since the host knows only
/// that some open file of ours has them.
struct LockedRanges {
    private var ranges: [RangeLock] = []

    /// What fcntl(2) does to an owner's locks: the new one takes the place of what it covers.
    mutating func set(_ new: RangeLock) {
        var kept: [RangeLock] = []
        for old in ranges {
            guard old.start <= new.end, new.start <= old.end else {
                kept.append(old)
                continue
            }
            if old.start < new.start {
                kept.append(RangeLock(type: old.type, start: old.start, end: new.start - 1, pid: old.pid))
            }
            if old.end > new.end {
                kept.append(RangeLock(type: old.type, start: new.end + 1, end: old.end, pid: old.pid))
            }
        }
        if new.type != F_UNLCK { kept.append(new) }
        ranges = kept
    }

    /// The process that has locked bytes of `range` in that way.
    func pid(of range: RangeLock) -> Int32? {
        ranges.first { $0.type == range.type && $0.start <= range.end && range.start <= $0.end }?.pid
    }
}
