public import CKernel
import Glibc
import Syscalls
import SystemPackage

/// A child process on a terminal, with somebody at the keyboard, until it is ended, or this process ends.
public final class TerminalChild {
    public let pid: pid_t
    private let terminal: OwnedDescriptor
    /// All that has been on the screen, as bytes.
    public private(set) var screen = ""
    private var isOver = false

    public init(_ program: String, _ arguments: [String]) throws {
        let raw = ck_openat(AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, 0)
        var (isLocked, number): (Int32, Int32) = (0, 0)
        guard raw >= 0, ck_ioctl(raw, setTerminalLock, &isLocked) == 0, ck_ioctl(raw, getTerminalNumber, &number) == 0
        else { throw CommandError(description: "there is no terminal to be had") }
        terminal = OwnedDescriptor(owning: FileDescriptor(rawValue: raw))
        var size = winsize(ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0)
        ck_ioctl(raw, UInt(TIOCSWINSZ), &size)
        let other = ck_openat(AT_FDCWD, "/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC, 0)
        guard other >= 0 else { throw CommandError(description: "the terminal's other end can't be opened") }
        let end = FileDescriptor(rawValue: other)
        defer { end.closeOwned() }
        pid = try spawnBound(
            [program] + arguments, environment: ["TERM": "xterm"], input: end, output: end, errors: end)
    }

    deinit {
        kill(pid, SIGKILL)
        if !isOver { waitpid(pid, nil, 0) }
    }

    public func type(_ keys: String) { _ = try? terminal.descriptor.writeAll(Array(keys.utf8)) }

    /// Waits until the screen has shown `text` behind what was waited for before; false when it did not in time.
    public func wait(for text: String, seconds: Int = 60) -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            if let found = screen.firstRange(of: text) {
                screen.removeSubrange(..<found.upperBound)
                return true
            }
            guard isReadable(until: deadline), collect() else { return false }
        }
    }

    /// The exit status, once the program has ended; the signal and 128 where one ended it.
    ///
    /// - Parameter seconds: how long it may take; then the program is killed, and has status 137.
    public func status(seconds: Int = 60) -> Int32 {
        let deadline = ContinuousClock.now + .seconds(seconds)
        // Also what nobody waited for has to be read.
        while isReadable(until: deadline), collect() {}
        if ContinuousClock.now >= deadline { kill(pid, SIGKILL) }
        var found: Int32 = 0
        waitpid(pid, &found, 0)
        isOver = true
        return found & 0x7f == 0 ? found >> 8 & 0xff : 128 + found & 0x7f
    }

    /// Waits for something to read; false when nothing came in time.
    private func isReadable(until deadline: ContinuousClock.Instant) -> Bool {
        let left = max(.zero, deadline - ContinuousClock.now) / .milliseconds(1)
        return Readiness.wait(readable: [terminal.descriptor], milliseconds: Int32(left))[0]
    }

    /// Reads what is there; false at the end, which is EIO on a terminal.
    private func collect() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { (try? terminal.descriptor.read(into: $0)) ?? 0 }
        screen += String(decoding: buffer.prefix(count), as: UTF8.self)
        return count > 0
    }
}

/// TIOCSPTLCK and TIOCGPTN (asm-generic/ioctls.h; ioctl_tty(2)), which don't import.
private let setTerminalLock: UInt = 0x4004_5431
private let getTerminalNumber: UInt = 0x8004_5430
