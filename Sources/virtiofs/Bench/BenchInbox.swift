import FUSEWire
import Glibc
import Synchronization
import Syscalls
import VirtioFSDriver

/// Where the driver's replies arrive: on the thread that looks for them, or on the transport's.
final class BenchInbox: @unchecked Sendable {
    private let lock = Lock()
    /// The thread that has the lock. It sends, too, and what can't be sent any more is answered at once.
    private let holder = Atomic<pthread_t>(0)
    @exclusivity(unchecked) private var handler: ((Int, Reply) throws -> Void)?
    @exclusivity(unchecked) private var isDone: () -> Bool = { true }
    private let over = ParkingWord(1)
    @exclusivity(unchecked) private var count = 0
    /// Requests that have no reply yet.
    @exclusivity(unchecked) private var underWay = 0
    /// What a handler threw in this run.
    @exclusivity(unchecked) private(set) var error: (any Error)?

    func begin(_ handler: @escaping (Int, Reply) throws -> Void, until isDone: @escaping () -> Bool) {
        whileLocked {
            self.handler = handler
            self.isDone = isDone
            error = nil
            over.store(0)
        }
    }

    func end() {
        whileLocked {
            handler = nil
            isDone = { true }
        }
    }

    func whileLocked(_ body: () -> Void) {
        let own = pthread_self()
        if holder.load(ordering: .relaxed) == own { return body() }
        lock.withLock {
            holder.store(own, ordering: .relaxed)
            body()
            holder.store(0, ordering: .relaxed)
        }
    }

    /// A request is about to be sent, by the thread that has the lock.
    func sends() { underWay += 1 }

    var isOver: Bool { over.value == 1 }
    /// Replies that came.
    var replies: Int { lock.withLock { count } }

    func park(nanoseconds: Int) { over.park(while: 0, nanoseconds: nanoseconds) }

    func take(_ reply: Reply) {
        whileLocked {
            count &+= 1
            underWay -= 1
            handle(reply)
            // After an error the other replies are waited for: they are none of the next run's.
            guard error == nil ? isDone() : underWay == 0 else { return }
            over.store(1)
            over.wake()
        }
    }

    private func handle(_ reply: Reply) {
        guard error == nil, let handler else { return }
        do {
            try handler(Int(reply.id.rawValue >> 1) - 1, reply)
        } catch {
            self.error = error
        }
    }
}
