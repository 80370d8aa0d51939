import CKernel
import Syscalls
import SystemPackage

/// How much of a file the kernel reads before a program asks for it.
///
/// INIT can make that less than the kernel's default of 128 KiB (`max_readahead`), but not more. The mount's own setting in
/// sysfs can, for root: with 1 MiB, which is one READ, programs that read large files wait for fewer of them. So the device is
/// offered that, and what it answers is set there.
enum ReadAhead {
    /// In bytes.
    static let most: UInt32 = 1 << 20

    /// Widens it for what is mounted at a path. Nothing happens where that is not allowed.
    ///
    /// - Parameter bytes: as many as are to be read ahead from then on.
    static func widen(at mountPoint: String, to bytes: UInt32) {
        var status = CKernel.statx()
        // No request may come of this: the mount's own readers could be those that wait for it.
        let found = statx(AT_FDCWD, mountPoint, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, UInt32(STATX_TYPE), &status)
        guard found == 0 else { return }
        let setting = "/sys/class/bdi/\(status.stx_dev_major):\(status.stx_dev_minor)/read_ahead_kb"
        let raw = ck_openat(AT_FDCWD, setting, O_WRONLY | O_CLOEXEC, 0)
        guard raw >= 0 else { return }
        defer { close(raw) }
        let text = "\(bytes >> 10)"
        _ = write(raw, text, text.utf8.count)
    }
}
