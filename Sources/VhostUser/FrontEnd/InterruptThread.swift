import Syscalls
import SystemPackage

/// A thread that waits for what a back end has to say about rings, and that its connection has ended.
final class InterruptThread: @unchecked Sendable {
    /// What happens when a descriptor is readable. The handler takes what there is to read; where it can't, because the
    /// other side is gone, it says so by false and is not called again.
    struct Source: Sendable {
        let descriptor: FileDescriptor
        let handler: @Sendable () -> Bool

        init(_ descriptor: FileDescriptor, handler: @escaping @Sendable () -> Bool) {
            self.descriptor = descriptor
            self.handler = handler
        }

        init(event: SharedEvent, handler: @escaping @Sendable () -> Void) {
            self.init(event.descriptor) {
                event.wait()
                handler()
                return true
            }
        }
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
        var watched = WatchedDescriptors(readable: sources.map(\.descriptor) + [stop], closing: connection)
        let (ending, closing) = (sources.count, sources.count + 1)
        while true {
            watched.wait()
            if watched.isReady(ending) { return }
            for (index, source) in sources.enumerated() where watched.isReady(index) {
                let goesOn = source.handler()
                if !goesOn { watched.drop(index) }
            }
            if watched.isReady(closing) {
                watched.drop(closing)
                hangUp()
            }
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
