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

    /// The processors that this process may use.
    public static let processors: [Int] = (0..<MemoryLayout<cpu_set_t>.size * 8).filter(isAllowed)

    /// The processor that the calling thread is on (sched_getcpu(3)).
    public static var currentProcessor: Int { Int(sched_getcpu()) }

    /// How many processors this process may use.
    public static var count: Int { processors.count }

    /// Keeps the calling thread on one processor, if it is one that this process may use; whether it is.
    public static func stay(on processor: Int) -> Bool {
        guard isAllowed(processor) else { return false }
        var set = only(processor)
        return sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0
    }

    /// Lets a thread run wherever this process may.
    ///
    /// - Parameter thread: its number; the calling one where there is none.
    public static func roam(_ thread: Int32 = 0) {
        var set = allowed
        _ = sched_setaffinity(thread, MemoryLayout<cpu_set_t>.size, &set)
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

    /// The processor that a thread of any process ran on last; nothing if it is gone, or there is no /proc. It takes some
    /// 10 µs.
    public static func processor(of thread: UInt32) -> Int? { ThreadStatus.processor(of: thread) }
}
