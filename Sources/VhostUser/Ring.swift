import CKernel
import GuestMemory
import Syscalls
import SystemPackage
import Virtio

/// A virtqueue as the front end has described it so far (vhost-user, "Ring states").
final class Ring {
    /// What rings when the driver has made something available.
    enum Kick {
        case descriptor(SharedDescriptor)
        /// Nothing does: the back end looks from time to time (SET_VRING_KICK with the invalid-descriptor flag).
        case polling
        /// A message does (VRING_KICK).
        case message
    }

    var size: UInt32 = 0
    /// In the front end's own addresses.
    var addresses: vhost_vring_addr?
    /// Where the ring goes on when it is started. For a packed ring the upper half is where the next chain is returned;
    /// it is not looked at, as a ring is only taken over with no chain in flight, and then it is the lower half again.
    var base: UInt32 = 0
    /// The ring is started once this is set, and stopped by GET_VRING_BASE.
    var kick: Kick?
    var isEnabled = false
    /// Whether the device has the queue.
    var isRunning = false
    /// Whether the driver broke it: it has to be stopped and started anew.
    var isBroken = false
    let call: RingSignal
    let error: RingSignal
    /// What of its writes are to be noted.
    let log: QueueLog
    /// Where the device is kicked, while it has the queue.
    var doorbell: Doorbell?

    init(_ number: Int, _ signals: InBandSignals, _ writes: WriteLog) throws(Errno) {
        call = try RingSignal { signals.post(.init(code: .ringCall, queue: number)) }
        error = try RingSignal { signals.post(.init(code: .ringError, queue: number)) }
        log = QueueLog(writes)
    }

    var isStarted: Bool { kick != nil && !isBroken }

    /// Back to where nothing has been said about it, but for its signals (vhost-user, VHOST_USER_RESET_DEVICE).
    func reset() {
        size = 0
        addresses = nil
        base = 0
        kick = nil
        isEnabled = false
        isBroken = false
        log.usedRing = nil
    }

    /// A descriptor of the kick for a queue that is about to start.
    func makeKick() throws(Errno) -> EventDescriptor {
        switch kick {
        case .descriptor(let shared): try EventDescriptor(rungBy: shared.descriptor.duplicateClosingOnExec())
        case .polling, nil: try EventDescriptor.rungByNobody()
        case .message: try EventDescriptor()
        }
    }
}

/// A descriptor that is closed when nobody holds it any more.
final class SharedDescriptor: Sendable {
    private let owned: OwnedDescriptor

    init(_ owned: consuming OwnedDescriptor) { self.owned = owned }

    var descriptor: FileDescriptor { owned.descriptor }
}
