import CKernel
import FUSEWire
import Synchronization
import Syscalls
import SystemPackage

/// The clients' locks, as locks of the host: for each owner of locks on a file one open file description, so that owners
/// stand in each other's way as processes do, and so do other mounts of the folder and the host's own processes.
///
/// The host finds no deadlocks among locks of open files (fcntl(2)), so there is no EDEADLK.
///
/// `@unchecked Sendable`: what changes is guarded by `lock`.
final class LockTable: @unchecked Sendable {
    enum Kind { case range, whole }

    struct Key: Hashable {
        let node: NodeID
        let owner: UInt64
        let kind: Kind
    }

    /// An owner's open file. Its locks go when it is closed, which is when the last one lets go of it.
    final class Holder: @unchecked Sendable {
        let descriptor: OwnedDescriptor
        /// The client's open file through which the owner asked first.
        fileprivate let handle: UInt64
        private let budget: DescriptorBudget
        /// Guarded by the table's lock.
        fileprivate var ranges = LockedRanges()
        fileprivate var isDropped = false

        init(_ descriptor: consuming OwnedDescriptor, through handle: UInt64, _ budget: DescriptorBudget) {
            self.descriptor = descriptor
            self.handle = handle
            self.budget = budget
            budget.add(files: 1)
        }

        deinit { budget.add(files: -1) }
    }

    /// Somebody waits for a lock.
    private struct Wait {
        let handle: UInt64
        let holder: Holder
        let call: BlockingCall
    }

    private let lock = Lock()
    private var holders: [Key: Holder] = [:]
    private var waits: [ObjectIdentifier: Wait] = [:]
    private let count = Atomic<Int>(0)

    /// Whether nobody has locked anything: then there is nothing to drop.
    var isEmpty: Bool { count.load(ordering: .relaxed) == 0 }
    /// How many owners have locks or had them lately.
    var ownerCount: Int { count.load(ordering: .relaxed) }

    func holder(_ key: Key) -> Holder? { lock.withLock { holders[key] } }

    /// Takes an owner's open file over, unless another thread was faster.
    func insert(_ holder: Holder, _ key: Key) -> Holder {
        lock.withLock {
            if let earlier = holders[key] { return earlier }
            holders[key] = holder
            count.store(holders.count, ordering: .relaxed)
            return holder
        }
    }

    /// Notes what an owner has locked.
    ///
    /// - Throws: EINTR when its locks were dropped meanwhile.
    func note(_ range: RangeLock, _ holder: Holder) throws(Errno) {
        try lock.withLock { () throws(Errno) in
            guard !holder.isDropped else { throw .interrupted }
            holder.ranges.set(range)
        }
    }

    /// The process behind a lock on `node` of another owner than `owner`.
    func pid(of range: RangeLock, on node: NodeID, notBy owner: UInt64) -> Int32? {
        lock.withLock {
            for (key, holder) in holders where key.node == node && key.owner != owner && key.kind == .range {
                if let pid = holder.ranges.pid(of: range) { return pid }
            }
            return nil
        }
    }

    /// Runs `body`, which waits for a lock in the call that it is given; dropping the owner's locks, releasing the handle,
    /// and ``removeAll()`` end it.
    func wait(
        for holder: Holder, _ handle: UInt64, _ body: (BlockingCall) throws(Errno) -> Void
    ) throws(Errno) {
        let call = BlockingCall()
        try lock.withLock { () throws(Errno) in
            guard !holder.isDropped else { throw .interrupted }
            waits[ObjectIdentifier(call)] = Wait(handle: handle, holder: holder, call: call)
        }
        defer { lock.withLock { _ = waits.removeValue(forKey: ObjectIdentifier(call)) } }
        try body(call)
    }

    /// Gives up all locks of an owner.
    func drop(_ key: Key) {
        guard !isEmpty else { return }
        // Closed outside of the lock, by whoever has it last.
        let holder = lock.withLock { () -> Holder? in
            let holder = holders.removeValue(forKey: key)
            holder?.isDropped = true
            count.store(holders.count, ordering: .relaxed)
            return holder
        }
        guard let holder else { return }
        endWaits { $0.holder === holder }
    }

    /// Gives up the ranges of the owners that asked first through a handle that goes. Processes have given theirs up by
    /// then, at the FLUSH of their close(2); what is left are locks of the open file itself (`F_OFD_SETLK`), of whose end
    /// the client tells nothing else.
    func drop(through handle: UInt64) {
        let keys = lock.withLock { holders.filter { $0.key.kind == .range && $0.value.handle == handle }.map(\.key) }
        for key in keys { drop(key) }
    }

    /// Ends what waits on behalf of a handle that goes.
    func endWaits(of handle: UInt64) {
        guard !isEmpty else { return }
        endWaits { $0.handle == handle }
    }

    private func endWaits(_ isMeant: (Wait) -> Bool) {
        let calls = lock.withLock { waits.values.filter(isMeant).map(\.call) }
        for call in calls { call.end() }
    }

    /// Gives up all locks.
    func removeAll() {
        let dropped = lock.withLock { () -> [Holder] in
            let all = Array(holders.values)
            for holder in all { holder.isDropped = true }
            holders.removeAll()
            count.store(0, ordering: .relaxed)
            return all
        }
        endWaits { _ in true }
        _ = dropped
    }
}
