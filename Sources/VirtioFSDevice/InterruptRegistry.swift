import FUSEWire
import Syscalls
import SystemPackage

/// Which requests were interrupted. An INTERRUPT travels on the hiprio queue and may overtake the request that it is for,
/// so interrupts for requests not seen yet are remembered, the latest few of them.
final class InterruptRegistry: @unchecked Sendable {
    private static let remembered = 64

    private let lock = Lock()
    /// A ring of request ids; guarded by `lock`.
    private var pending = [RequestID?](repeating: nil, count: remembered)
    private var next = 0
    /// Requests that block and can be made to return; guarded by `lock`.
    private var waits: [Int: Wait] = [:]
    private var lastWait = 0

    private struct Wait {
        let id: RequestID
        let queue: ObjectIdentifier
        let action: @Sendable () -> Void
    }

    func interrupt(_ id: RequestID) {
        let wait = lock.withLock { () -> Wait? in
            if let wait = waits.values.first(where: { $0.id == id }) { return wait }
            pending[next] = id
            next = (next + 1) % Self.remembered
            return nil
        }
        wait?.action()
    }

    /// From now on, an interrupt of `id` calls `action`, and so does the end of its queue. EINTR if there was one already.
    func startWait(
        of id: RequestID, on queue: AnyObject, _ action: @escaping @Sendable () -> Void
    ) throws(Errno) -> Int {
        try lock.withLock { () throws(Errno) in
            if let position = pending.firstIndex(of: id) {
                pending[position] = nil
                throw .interrupted
            }
            lastWait += 1
            waits[lastWait] = Wait(id: id, queue: ObjectIdentifier(queue), action: action)
            return lastWait
        }
    }

    func endWait(_ number: Int) { lock.withLock { _ = waits.removeValue(forKey: number) } }

    /// Interrupts everything of a queue that stops.
    func interruptAll(on queue: AnyObject) {
        let actions = lock.withLock { waits.values.filter { $0.queue == ObjectIdentifier(queue) }.map(\.action) }
        for action in actions { action() }
    }

    /// Interrupts that no request has taken yet.
    var count: Int { lock.withLock { pending.count { $0 != nil } } }

    func removeAll() {
        lock.withLock {
            for position in pending.indices { pending[position] = nil }
        }
    }
}
