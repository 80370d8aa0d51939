public import GuestMemory
import Synchronization

/// What of a queue's writes is to be noted while a ``GuestMemory/WriteLog`` is on: what goes into buffers always, what the
/// device writes into the ring's own memory where the transport wants that, too.
public final class QueueLog: Sendable {
    private static let none = UInt64.max

    private let writes: WriteLog
    private let usedRingStart = Atomic<UInt64>(none)

    public init(_ writes: WriteLog) { self.writes = writes }

    /// See ``GuestMemory/WriteLog/isOn``.
    public var isOn: Bool { writes.isOn }

    /// The guest address at which the first byte of the device area is noted; nothing where it is not to be
    /// (VHOST_VRING_F_LOG). It need not be the area's own.
    public var usedRing: GuestAddress? {
        get {
            let start = usedRingStart.load(ordering: .acquiring)
            return start == Self.none ? nil : GuestAddress(start)
        }
        set {
            usedRingStart.store(newValue?.rawValue ?? Self.none, ordering: .releasing)
            // As when the log is turned on: see WriteLog.isOn.
            fullFence()
        }
    }

    public func note(_ body: (DirtyLog) -> Void) { writes.note(body) }
}
