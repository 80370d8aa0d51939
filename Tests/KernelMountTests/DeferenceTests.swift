import CKernel
import Syscalls
import Testing

@testable import KernelMount

/// Readers with the idle policy, and how they come by the normal one again.
struct DeferenceTests {
    /// What `body` finds on a thread of its own.
    private func onThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) throws -> Result? {
        let found = Guarded<Result?>(nil)
        try OSThread(name: "reader") {
            let result = body()
            found.withLock { $0 = result }
        }.join()
        return found.withLock { $0 }
    }

    @Test("A reader that has ended its deferring has the normal policy, and keeps it, whoever rescues it meanwhile")
    func rescued() throws {
        try #require(try onThread { Deference.canReturn() } == true)
        let deference = Deference(isAllowed: true)
        let isOver = ParkingWord(0)
        let rescuer = try OSThread(name: "guard") { while isOver.value == 0 { deference.rescue() } }
        defer {
            isOver.store(1)
            rescuer.join()
        }
        let strays = try onThread {
            let reader = ck_gettid()
            return (0..<20_000).count { round in
                if deference.begin(reader) {
                    // It ends before, while and after it is rescued.
                    for _ in 0..<round % 256 where deference.holds(reader) { spinHint() }
                    deference.end(reader)
                }
                return deference.holds(reader) || !SchedulingPolicy.isNormal
            }
        }
        #expect(strays == 0)
    }

    @Test("Where a mount runs with a policy that somebody chose, its readers keep that")
    func chosen() throws {
        let kept = try onThread {
            var parameters = sched_param(sched_priority: 0)
            guard sched_setscheduler(0, SCHED_BATCH, &parameters) == 0 else { return false }
            return !Deference.canReturn() && sched_getscheduler(0) == SCHED_BATCH
        }
        #expect(kept == true)
    }
}
