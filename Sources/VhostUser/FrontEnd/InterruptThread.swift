import Syscalls
import SystemPackage

/// A thread that waits for what a back end has to say about rings, and that its connection has ended.
final class InterruptThread: @unchecked Sendable {
    /// What happens when a descriptor is readable.
    struct Source: Sendable {
        let event: SharedEvent
        let handler: @Sendable () -> Void
    }

    private let stopEvent: EventDescriptor
    private var thread: OSThread!

    /// - Parameter hangUp: runs once, when `connection` is closed by the peer.
    init(
        sources: [Source], connection: FileDescriptor, hangUp: @escaping @Sendable () -> Void
    ) throws(Errno) {
        stopEvent = try EventDescriptor()
        let stop = stopEvent.descriptor
        thread = try OSThread(name: "interrupts") {
            Self.run(sources, connection: connection, stop: stop, hangUp: hangUp)
        }
    }

    private static func run(
        _ sources: [Source], connection: FileDescriptor, stop: FileDescriptor, hangUp: @Sendable () -> Void
    ) {
        let watched = [stop] + sources.map(\.event.descriptor)
        var closing: FileDescriptor? = connection
        while true {
            let ready = Readiness.wait(readable: watched, closing: closing)
            if ready[0] { return }
            for (index, source) in sources.enumerated() where ready[index + 1] {
                source.event.wait()
                source.handler()
            }
            guard ready.last == true, closing != nil else { continue }
            closing = nil
            hangUp()
        }
    }

    /// Ends the thread. Not from the thread itself.
    func stop() {
        stopEvent.ring()
        thread.join()
    }
}

/// An eventfd that several hold.
final class SharedEvent: Sendable {
    private let event: EventDescriptor

    init() throws(Errno) { event = try EventDescriptor() }

    var descriptor: FileDescriptor { event.descriptor }
    func wait() { event.wait() }
}
