import CKernel
import Syscalls
import Synchronization
import Testing

@testable import KernelMount

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

    @Test("A look that is interrupted by no other thread is followed by others", .timeLimit(.minutes(1)))
    func interruption() {
        var spin = AdaptiveSpin(longest: 200_000)
        // Other threads may interrupt it, too: so as often as it takes.
        var looks = 0
        while looks < 2 {
            looks = 0
            _ = spin.spin {
                looks += 1
                let start = monotonicNanoseconds()
                while monotonicNanoseconds() - start < 30_000 {}
                return looks == 2
            }
            spin.end()
        }
    }

    @Test("Where another thread gets the processor nobody looks on", .timeLimit(.minutes(1)))
    func putAside() throws {
        // Two threads on one processor: each look lets the other have it.
        let processor = Affinity.processors[0]
        let isOver = Atomic(false)
        let other = try OSThread(name: "other") {
            _ = Affinity.stay(on: processor)
            while !isOver.load(ordering: .relaxed) {}
        }
        let looks = Atomic(0)
        let looker = try OSThread(name: "looker") {
            guard Affinity.stay(on: processor) else { return }
            var spin = AdaptiveSpin(longest: 1_000_000_000)
            _ = spin.spin {
                looks.add(1, ordering: .relaxed)
                let before = ck_involuntary_switches()
                while ck_involuntary_switches() == before { yieldProcessor() }
                return false
            }
        }
        looker.join()
        isOver.store(true, ordering: .relaxed)
        other.join()
        // The other may not have been there yet, or have been away for a while.
        #expect((1..<100).contains(looks.load(ordering: .relaxed)))
    }

    @Test("Who may not look never does")
    func noSpin() {
        var spin = AdaptiveSpin(longest: 0)
        #expect(!spin.spin { true })
    }
}

extension ReaderTests {
    private func policy(of thread: pid_t) -> Int32 { sched_getscheduler(thread) }

    @Test("A reader that defers has the idle policy until it ends that, or is rescued by another thread")
    func deference() throws {
        let deference = Deference(isAllowed: true)
        let seen = Guarded<[Int32]>([])
        let ready = OneTimeEvent()
        let rescued = OneTimeEvent()
        let thread = Atomic<pid_t>(0)
        let reader = try OSThread(name: "reader") { [self] in
            let own = ck_gettid()
            func note() { seen.withLock { $0.append(policy(of: own)) } }
            #expect(deference.begin(own) && deference.holds(own))
            note()
            deference.end(own)
            note()
            #expect(deference.begin(own))
            note()
            thread.store(own, ordering: .releasing)
            ready.signal()
            let isRescued = rescued.wait(seconds: 60)
            #expect(isRescued)
            note()
            #expect(!deference.holds(own))
            deference.end(own)
            note()
        }
        let isReady = ready.wait(seconds: 60)
        #expect(isReady)
        #expect(!deference.begin(ck_gettid()), "one at a time")
        deference.rescue()
        #expect(policy(of: thread.load(ordering: .acquiring)) == SCHED_OTHER)
        rescued.signal()
        reader.join()
        #expect(seen.withLock { $0 } == [SCHED_IDLE, SCHED_OTHER, SCHED_IDLE, SCHED_OTHER, SCHED_OTHER])
        #expect(policy(of: ck_gettid()) == SCHED_OTHER)
    }

    @Test("Where a thread could not come back, none defers")
    func noReturn() {
        let deference = Deference(isAllowed: false)
        #expect(!deference.begin(ck_gettid()))
        #expect(policy(of: ck_gettid()) == SCHED_OTHER)
    }

    @Test("The calling thread is among those that run on this machine")
    func load() throws { #expect(try #require(SystemLoad().runnableThreads) >= 1) }

    @Test("Callers that take turns are several; one that goes on alone is one again")
    func callers() {
        var mix = CallerMix()
        for caller in UInt32(1)...4 {
            for _ in 0..<20 { mix.note(caller) }
            #expect(!mix.areSeveral)
        }
        for turn in UInt32(0)..<20 { mix.note(turn % 4) }
        #expect(mix.areSeveral)
        for _ in 0..<40 { mix.note(1) }
        #expect(!mix.areSeveral)
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
