import SystemPackage

import CKernel
import Glibc

/// What /proc tells of a thread of any process.
public enum ThreadStatus {
    /// Whether a thread has got a signal that ends its process: Linux then makes SIGKILL pending for every thread of it
    /// (complete_signal of kernel/signal.c). It is so until the thread returns from the call that it is in.
    ///
    /// Unlike ``processor(of:)`` it never waits for a process that executes a new program: the status takes no lock that
    /// one holds (proc_pid_status of fs/proc/array.c).
    public static func isBeingKilled(_ thread: UInt32) -> Bool {
        // A line of it names every group that the thread is in, NGROUPS_MAX at most.
        let pending = read(of: thread, ck_thread_status_path, atMost: 1 << 20) { pendingSignals($0) }
        return (pending ?? 0) & 1 << (UInt64(SIGKILL) - 1) != 0
    }

    /// The processor that a thread ran on last; nothing if it is gone, or there is no /proc.
    ///
    /// It waits for a process that executes a new program: that closes files meanwhile.
    static func processor(of thread: UInt32) -> Int? {
        read(of: thread, ck_thread_stat_path, atMost: 1024) { field(39, $0) }
    }

    private static func read<Value>(
        of thread: UInt32, _ makePath: (UnsafeMutablePointer<CChar>, Int, UInt32) -> Void, atMost size: Int,
        parse: (UnsafeRawBufferPointer) -> Value?
    ) -> Value? {
        var path = InlineArray<32, CChar>(repeating: 0)
        var span = path.mutableSpan
        let raw = span.withUnsafeMutableBufferPointer { buffer in
            makePath(buffer.baseAddress!, buffer.count, thread)
            return ck_openat(AT_FDCWD, buffer.baseAddress!, O_RDONLY | O_CLOEXEC, 0)
        }
        guard raw >= 0 else { return nil }
        let file = OwnedDescriptor(owning: FileDescriptor(rawValue: raw))
        return withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { buffer in
            let count = CKernel.read(file.rawValue, buffer.baseAddress, buffer.count)
            guard count > 0 else { return nil }
            return parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// The signals that are pending for the thread alone, a bit each (proc_pid_status(5), SigPnd). No line before this one
    /// can hold its name: in the first, the program's name, control characters are escaped.
    private static func pendingSignals(_ status: UnsafeRawBufferPointer) -> UInt64? {
        for line in status.split(separator: UInt8(ascii: "\n")) where line.starts(with: "SigPnd:\t".utf8) {
            return UInt64(String(decoding: line.dropFirst(8), as: UTF8.self), radix: 16)
        }
        return nil
    }

    /// A field that is a number, as proc_pid_stat(5) numbers them. The second, the name in brackets, may hold anything,
    /// blanks and brackets among it.
    private static func field(_ wanted: Int, _ stat: UnsafeRawBufferPointer) -> Int? {
        guard let bracket = stat.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        var field = 2
        var number = 0
        for byte in stat[(bracket + 1)...] {
            if byte == UInt8(ascii: " ") {
                field += 1
            } else if field == wanted, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
                number = number * 10 + Int(byte - UInt8(ascii: "0"))
            }
            if field > wanted { return number }
        }
        return nil
    }
}
