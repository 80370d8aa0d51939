import CKernel
import Synchronization

extension Scene {
    /// Runs `body` on so many threads at once, each told its number; what they return, in that order.
    func together<Value: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Value) throws -> [Value] {
        let shared = Shared<Value>()
        let threads = try (0..<count).map { number in
            try CaseThread {
                shared.arrive(count)
                let value = try body(number)
                shared.values.withLock { $0[number] = value }
            }
        }
        for thread in threads { try thread.join() }
        return shared.values.withLock { values in (0..<count).map { values[$0]! } }
    }
}

private final class Shared<Value: Sendable>: Sendable {
    let values = Mutex([Int: Value]())
    private let arrived = Atomic<Int>(0)

    /// Lets the threads go when all are there.
    func arrive(_ count: Int) {
        arrived.wrappingAdd(1, ordering: .acquiringAndReleasing)
        while arrived.load(ordering: .acquiring) < count { sched_yield() }
    }
}
