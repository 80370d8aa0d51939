import FUSEWire
import Syscalls

/// Which requests were interrupted. An INTERRUPT travels on the hiprio queue and may overtake the request that it is for,
/// so interrupts for requests not seen yet are remembered, the latest few of them.
final class InterruptRegistry: @unchecked Sendable {
    private static let remembered = 64

    private let lock = Lock()
    /// A ring of request ids; guarded by `lock`.
    private var pending = [RequestID?](repeating: nil, count: remembered)
    private var next = 0

    func interrupt(_ id: RequestID) {
        lock.withLock {
            pending[next] = id
            next = (next + 1) % Self.remembered
        }
    }

    /// Whether `id` was interrupted; asked once, by an operation that is about to block.
    func takeInterrupt(of id: RequestID) -> Bool {
        lock.withLock {
            guard let position = pending.firstIndex(of: id) else { return false }
            pending[position] = nil
            return true
        }
    }

    /// Interrupts that no request has taken yet.
    var count: Int { lock.withLock { pending.count { $0 != nil } } }

    func removeAll() {
        lock.withLock {
            for position in pending.indices { pending[position] = nil }
        }
    }
}
