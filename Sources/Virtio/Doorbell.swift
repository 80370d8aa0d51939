public import Syscalls
public import SystemPackage

/// How the driver tells the device that a queue has something new: an available buffer notification, or kick
/// (virtio 1.4, 2.3).
///
/// It is an eventfd, on which a device thread sleeps. In process there is a second way: while that thread sleeps, the
/// thread that kicks can serve the queue itself, as a virtual processor does on a VM exit where no ioeventfd is set up.
/// That saves two thread wakes, which cost more than most requests.
public final class Doorbell: @unchecked Sendable {
    private let event: EventDescriptor
    /// Serves the queue on the calling thread; false when its worker has to.
    private let serve: (@Sendable () -> Bool)?

    /// - Parameter serve: how the kicking thread can do the worker's work; nothing where it can't.
    public init(event: consuming EventDescriptor, serve: (@Sendable () -> Bool)? = nil) {
        self.event = event
        self.serve = serve
    }

    public var descriptor: FileDescriptor { event.descriptor }

    /// Kicks the device.
    ///
    /// - Parameter lending: whether the device may use the calling thread to serve the queue. Not for a thread that
    ///   holds a lock or that something else waits for.
    public func ring(lending: Bool) {
        if lending, let serve, serve() { return }
        event.ring()
    }

    /// Wakes the thread that sleeps here.
    public func wake() { event.ring() }

    /// Sleeps until somebody rings.
    public func wait() { event.wait() }
}
