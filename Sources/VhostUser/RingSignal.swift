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

    init() throws(Errno) {
        silent = try EventDescriptor.makeSilent()
        current = try silent.descriptor.duplicateClosingOnExec()
    }

    /// From here on the front end hears of it at `target`, or not at all.
    func setTarget(_ target: FileDescriptor?) throws(Errno) {
        guard let target else { return try silent.descriptor.replace(current.descriptor) }
        // Nothing of the front end's may hold up a thread of the device's.
        try target.stopBlocking()
        try target.replace(current.descriptor)
    }

    /// A full counter is as good as one more.
    func send() { EventDescriptor.ring(current.descriptor) }
}
