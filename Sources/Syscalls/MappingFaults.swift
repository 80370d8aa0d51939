import Synchronization
import SystemPackage

import CKernel
import Glibc

/// Survival of mappings whose file somebody else can shrink.
///
/// An access beyond the end of a mapped file is a SIGBUS (mmap(2)), and a peer that owns the file can move its end at
/// any time. In a mapping registered here, the page that is missing is replaced by one of zeros, and the access goes on:
/// what a peer does to its own memory is its own loss. Anywhere else a SIGBUS ends the process, as ever.
///
/// The table is read by a signal handler, so it has a fixed size and is made of atomics.
enum MappingFaults {
    private struct Slot: ~Copyable {
        /// Zero where the slot is free. Written last, cleared first.
        let start = Atomic<UInt>(0)
        let end = Atomic<UInt>(0)
    }

    private static let capacity = 1024
    private static let pageSize: UInt = 4096
    private static let lock = Lock()
    nonisolated(unsafe) private static let slots: UnsafeMutablePointer<Slot> = {
        let slots = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
        for index in 0..<capacity { (slots + index).initialize(to: Slot()) }
        return slots
    }()
    /// How many pages were replaced, in all of the process's life.
    private static let replaced = Atomic<Int>(0)

    static var replacedPages: Int { replaced.load(ordering: .relaxed) }

    /// Registers a mapping.
    ///
    /// - Throws: ENOMEM when there are too many.
    static func add(_ base: UnsafeMutableRawPointer, size: Int) throws(Errno) {
        _ = isInstalled
        let start = UInt(bitPattern: base)
        let found = lock.withLock { () -> Bool in
            for index in 0..<capacity where slots[index].start.load(ordering: .relaxed) == 0 {
                slots[index].end.store(start + UInt(size), ordering: .relaxed)
                slots[index].start.store(start, ordering: .releasing)
                return true
            }
            return false
        }
        guard found else { throw .noMemory }
    }

    /// To be called before the mapping goes.
    static func remove(_ base: UnsafeMutableRawPointer) {
        lock.withLock {
            let start = UInt(bitPattern: base)
            for index in 0..<capacity where slots[index].start.load(ordering: .relaxed) == start {
                slots[index].start.store(0, ordering: .releasing)
            }
        }
    }

    private static let isInstalled: Bool = {
        _ = slots
        var action = sigaction()
        action.sa_flags = SA_SIGINFO
        action.__sigaction_handler.sa_sigaction = { _, info, _ in MappingFaults.handle(info) }
        return sigaction(SIGBUS, &action, nil) == 0
    }()

    /// In the signal handler: only atomics and system calls.
    private static func handle(_ info: UnsafeMutablePointer<siginfo_t>?) {
        let address = UInt(bitPattern: ck_fault_address(info))
        guard isRegistered(address), replacePage(address & ~(pageSize - 1)) else {
            // The access is repeated when the handler returns, and then ends the process.
            ck_default_signal(SIGBUS)
            return
        }
        replaced.wrappingAdd(1, ordering: .relaxed)
    }

    private static func isRegistered(_ address: UInt) -> Bool {
        for index in 0..<capacity {
            let start = slots[index].start.load(ordering: .acquiring)
            if start != 0, address >= start, address < slots[index].end.load(ordering: .relaxed) { return true }
        }
        return false
    }

    private static func replacePage(_ address: UInt) -> Bool {
        let page = UnsafeMutableRawPointer(bitPattern: address)
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
        return mmap(page, Int(pageSize), PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED
    }
}

/// Memory that a peer took away under a mapping of ours.
public enum LostMemory {
    /// Pages that were replaced by zeros, in all of the process's life.
    public static var replacedPages: Int { MappingFaults.replacedPages }
}
