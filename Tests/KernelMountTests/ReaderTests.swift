import CKernel
import Syscalls
import Synchronization
import Testing

struct ReaderTests {
    @Test("A thread's processor is found, and a thread stays on the one it is told to")
    func affinity() throws {
        let journal = ProcessorJournal()
        let thread = try OSThread(name: "a) 1 (b") {
            for processor in 0..<Affinity.count where Affinity.stay(on: processor) {
                sched_yield()
                journal.note(
                    told: processor, found: Affinity.processor(of: UInt32(ck_gettid())), on: Int(sched_getcpu()))
            }
            Affinity.roam()
        }
        thread.join()
        #expect(!journal.entries.isEmpty)
        for entry in journal.entries {
            #expect(entry.found == entry.told)
            #expect(entry.actual == entry.told)
        }
    }

    @Test("No thread, and no such processor")
    func nothing() {
        #expect(Affinity.processor(of: 0) == nil)
        #expect(!Affinity.stay(on: 1 << 20))
        #expect(!Affinity.stay(on: -1))
    }

    @Test("Where waits are long nobody looks; where they are short again, somebody does")
    func spin() {
        var spin = AdaptiveSpin(longest: 1000)
        var looks = 0
        while spin.spin({
            looks += 1; return false
        }) {}
        #expect(looks > 0)
        // A wait that lasted longer than it may, often enough to be expected.
        for _ in 0..<20 {
            _ = spin.spin { false }
            let start = monotonicNanoseconds()
            while monotonicNanoseconds() - start < 10_000 {}
            spin.end()
        }
        looks = 0
        #expect(
            !spin.spin {
                looks += 1; return true
            })
        #expect(looks == 0)
        // The machine may take the processor away at any time, which counts as a long wait: so as often as it takes.
        var isFound = false
        while !isFound {
            isFound = spin.spin { true }
            spin.end()
        }
    }

    @Test("Who may not look never does")
    func noSpin() {
        var spin = AdaptiveSpin(longest: 0)
        #expect(!spin.spin { true })
    }
}

private final class ProcessorJournal: @unchecked Sendable {
    struct Entry {
        let told: Int
        let found: Int?
        let actual: Int
    }

    /// Of one thread, read when it has ended.
    private(set) var entries: [Entry] = []

    func note(told: Int, found: Int?, on actual: Int) {
        entries.append(Entry(told: told, found: found, actual: actual))
    }
}
