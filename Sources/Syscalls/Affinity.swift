import SystemPackage

import CKernel

/// The processors that a thread may run on (sched_setaffinity(2)).
public enum Affinity {
    /// Those of this process's first thread: as somebody may have set them meanwhile (taskset(1)). Nothing on a machine
    /// with more processors than the set has room for (1,024): there no thread is moved.
    private static var allowed: cpu_set_t? {
        var set = cpu_set_t()
        return sched_getaffinity(getpid(), MemoryLayout<cpu_set_t>.size, &set) == 0 ? set : nil
    }

    /// The processors that this process might use when it was first asked.
    public static let processors: [Int] = {
        guard let allowed else { return Array(0..<max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))) }
        return (0..<MemoryLayout<cpu_set_t>.size * 8).filter { contains(allowed, $0) }
    }()

    /// The processor that the calling thread is on (sched_getcpu(3)).
    public static var currentProcessor: Int { Int(sched_getcpu()) }

    /// How many ``processors`` are.
    public static var count: Int { processors.count }

    /// Keeps the calling thread on one processor, if it is one that this process may use; whether it is.
    public static func stay(on processor: Int) -> Bool {
        guard let allowed, contains(allowed, processor) else { return false }
        var set = only(processor)
        return sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0
    }

    /// Lets a thread run wherever this process may.
    ///
    /// - Parameter thread: its number; the calling one where there is none.
    public static func roam(_ thread: Int32 = 0) {
        guard var set = allowed else { return }
        _ = sched_setaffinity(thread, MemoryLayout<cpu_set_t>.size, &set)
    }

    private static func contains(_ set: cpu_set_t, _ processor: Int) -> Bool {
        withUnsafeBytes(of: set) { bytes in
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
