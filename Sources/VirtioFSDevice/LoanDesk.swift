import Synchronization
import Syscalls

/// Where threads on loan enter a queue's server, which what they kick with outlives.
///
/// It holds the server without a reference: a weak one would cost each kick, and all other references too, which then
/// are counted in a table beside the object. What keeps it valid is that nobody is inside once ``close()`` returns.
final class LoanDesk<Files: FileSystem>: @unchecked Sendable {
    private unowned(unsafe) let server: QueueServer<Files>
    /// Threads inside, and those that find it closed.
    private let visitors = Atomic<Int>(0)
    private let isClosed = Atomic<Bool>(false)

    /// - Parameter server: closes this before it goes.
    init(_ server: QueueServer<Files>) { self.server = server }

    /// Has the queue served on the calling thread; false when a worker has to.
    func serve() -> Bool {
        // Sequentially consistent, as in close(): either this sees that it is closed, or that sees the visitor.
        visitors.wrappingAdd(1, ordering: .sequentiallyConsistent)
        defer { visitors.wrappingSubtract(1, ordering: .releasing) }
        return isClosed.load(ordering: .sequentiallyConsistent) ? false : server.serveOnLoan()
    }

    /// Lets nobody in any more, and waits until all have left.
    func close() {
        isClosed.store(true, ordering: .sequentiallyConsistent)
        // They leave soon, and a kick is not to cost a look at who waits for that.
        let never = ParkingWord(0)
        while visitors.load(ordering: .sequentiallyConsistent) > 0 { never.park(while: 0, nanoseconds: 1_000_000) }
    }
}
