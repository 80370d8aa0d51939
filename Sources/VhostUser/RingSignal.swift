import Synchronization
import Syscalls
import SystemPackage

/// Where the back end tells the front end something about a ring: a call or an error, by a write to an eventfd of the
/// front end's (vhost-user, SET_VRING_CALL and SET_VRING_ERR).
///
/// The front end can change the eventfd while the ring runs, each time the guest masks an interrupt. So there is one
/// descriptor number for all of the ring's life, behind which the open file is replaced at one go (dup3(2)): no thread
/// that writes to it needs a lock.
final class RingSignal: Sendable {
    /// Stands for no eventfd: one that nobody reads.
    private let silent: OwnedDescriptor
    private let current: OwnedDescriptor
    /// Whether it travels as a message, because the front end has given no eventfd and wants it so.
    private let isInBand = Atomic<Bool>(false)
    private let message: (@Sendable () -> Void)?
    /// Whether the front end has said anything about an eventfd.
    private let isSettled = Atomic<Bool>(false)

    /// - Parameter message: sends the signal as a message.
    init(message: (@Sendable () -> Void)? = nil) throws(Errno) {
        silent = try EventDescriptor.makeSilent()
        current = try silent.descriptor.duplicateClosingOnExec()
        self.message = message
    }

    /// Lets the signal travel as a message where the front end has said nothing about an eventfd (vhost-user, "In-band
    /// notifications").
    func allowMessages() {
        if !isSettled.load(ordering: .relaxed) { isInBand.store(true, ordering: .releasing) }
    }

    /// From here on the front end hears of it at `target`, or not at all.
    func setTarget(_ target: FileDescriptor?) throws(Errno) {
        isSettled.store(true, ordering: .relaxed)
        isInBand.store(false, ordering: .releasing)
        guard let target else { return try silent.descriptor.replace(current.descriptor) }
        // Nothing of the front end's may hold up a thread of the device's.
        try target.stopBlocking()
        try target.replace(current.descriptor)
    }

    /// A full counter is as good as one more.
    func raise() {
        if isInBand.load(ordering: .acquiring) {
            message?()
        } else {
            EventDescriptor.ring(current.descriptor)
        }
    }
}
