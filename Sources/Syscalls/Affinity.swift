import SystemPackage

import CKernel

/// The processors that a thread may run on (sched_setaffinity(2)).
public enum Affinity {
    /// Those of this process when it was first asked.
    private static let allowed: cpu_set_t = {
        var set = cpu_set_t()
        if sched_getaffinity(getpid(), MemoryLayout<cpu_set_t>.size, &set) != 0 { set = only(0) }
        return set
    }()

    /// How many processors this process may use.
    public static var count: Int { withUnsafeBytes(of: allowed) { $0.reduce(0) { $0 + $1.nonzeroBitCount } } }

    /// Keeps the calling thread on one processor, if it is one that this process may use; whether it is.
    public static func stay(on processor: Int) -> Bool {
        guard isAllowed(processor) else { return false }
        var set = only(processor)
        return sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0
    }

    /// Lets the calling thread run wherever this process may.
    public static func roam() {
        var set = allowed
        _ = sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &set)
    }

    private static func isAllowed(_ processor: Int) -> Bool {
        withUnsafeBytes(of: allowed) { bytes in
            processor >= 0 && processor / 8 < bytes.count && bytes[processor / 8] & 1 << (processor % 8) != 0
        }
    }

    private static func only(_ processor: Int) -> cpu_set_t {
        var set = cpu_set_t()
        withUnsafeMutableBytes(of: &set) { $0[processor / 8] = 1 << (processor % 8) }
        return set
    }

    /// The processor that a thread of any process ran on last (`processor` of proc_pid_stat(5)); nothing if it is gone, or
    /// there is no /proc. It takes some 10 µs.
    public static func processor(of thread: UInt32) -> Int? {
        do throws(Errno) {
            return try readStatus(of: thread)
        } catch {
            return nil
        }
    }

    private static func readStatus(of thread: UInt32) throws(Errno) -> Int? {
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
            return parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// Field 39. The second, the name in brackets, may hold anything, blanks and brackets among it.
    private static func parse(_ status: UnsafeRawBufferPointer) -> Int? {
        guard let bracket = status.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        var field = 2
        var number = 0
        for byte in status[(bracket + 1)...] {
            if byte == UInt8(ascii: " ") {
                field += 1
            } else if field == 39, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
                number = number * 10 + Int(byte - UInt8(ascii: "0"))
            }
            if field > 39 { return number }
        }
        return nil
    }
}
