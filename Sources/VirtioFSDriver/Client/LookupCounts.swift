import CKernel
import FUSEWire
import Syscalls

/// How often each node was looked up and not forgotten: what Linux keeps as `nlookup` in its inodes.
///
/// INVARIANT: the sum agrees with the driver's ``NodeLedger`` while no call is under way.
final class LookupCounts: @unchecked Sendable {
    private let lock = Lock()
    private let ledger: NodeLedger
    private var counts: [UInt64: UInt64] = [:]
    /// The session that the counts are of: a reset forgets all of them at once.
    private var session: UInt64

    init(_ ledger: NodeLedger) {
        self.ledger = ledger
        session = ledger.session
    }

    /// The lock is held.
    private func dropIfStale() {
        guard session != ledger.session else { return }
        session = ledger.session
        counts = [:]
    }

    func add(_ node: UInt64) {
        guard node != 0 else { return }
        lock.withLock {
            dropIfStale()
            counts[node, default: 0] += 1
        }
    }

    func count(_ node: NodeID) -> UInt64 {
        lock.withLock {
            dropIfStale()
            return counts[node.rawValue] ?? 0
        }
    }

    /// Takes back up to `count` lookups of a node; how many there were.
    func take(_ node: NodeID, _ count: UInt64) -> UInt64 {
        lock.withLock {
            dropIfStale()
            guard let held = counts[node.rawValue] else { return 0 }
            counts[node.rawValue] = held > count ? held - count : nil
            return min(held, count)
        }
    }

    /// Takes back all that is held.
    func takeAll() -> [fuse_forget_one] {
        lock.withLock {
            dropIfStale()
            defer { counts = [:] }
            return counts.map { fuse_forget_one(nodeid: $0.key, nlookup: $0.value) }
        }
    }
}
