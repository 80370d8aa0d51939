import SystemPackage

import CKernel
import Glibc

/// What /proc tells of a thread of any process (proc_pid_stat(5)).
public enum ThreadStatus {
    /// Fields by their numbers.
    enum Field: Int {
        /// Signals that are pending for this thread alone, a bit each, of the first 31.
        case pendingSignals = 31
        case processor = 39
    }

    /// Whether a thread has got a signal that ends its process: Linux then makes SIGKILL pending for every thread of it
    /// (complete_signal of kernel/signal.c). It is so until the thread returns from the call that it is in.
    public static func isBeingKilled(_ thread: UInt32) -> Bool {
        (field(.pendingSignals, of: thread) ?? 0) & 1 << (Int(SIGKILL) - 1) != 0
    }

    /// A field that is a number; nothing if the thread is gone, or there is no /proc.
    static func field(_ field: Field, of thread: UInt32) -> Int? {
        do throws(Errno) {
            return try read(field, of: thread)
        } catch {
            return nil
        }
    }

    private static func read(_ field: Field, of thread: UInt32) throws(Errno) -> Int? {
        var path = InlineArray<32, CChar>(repeating: 0)
        var span = path.mutableSpan
        let raw = span.withUnsafeMutableBufferPointer { buffer in
            ck_thread_status_path(buffer.baseAddress!, buffer.count, thread)
            return ck_openat(AT_FDCWD, buffer.baseAddress!, O_RDONLY | O_CLOEXEC, 0)
        }
        let file = OwnedDescriptor(owning: FileDescriptor(rawValue: try check(raw)))
        return withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { buffer in
            let count = CKernel.read(file.rawValue, buffer.baseAddress, buffer.count)
            guard count > 0 else { return nil }
            return parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]), field.rawValue)
        }
    }

    /// The second field, the name in brackets, may hold anything, blanks and brackets among it.
    private static func parse(_ status: UnsafeRawBufferPointer, _ wanted: Int) -> Int? {
        guard let bracket = status.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        var field = 2
        var number = 0
        for byte in status[(bracket + 1)...] {
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
