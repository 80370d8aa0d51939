import Synchronization

/// Where a file system of a test stalls until the test lets it go on.
public final class Gate: Sendable {
    private let open = Atomic<Bool>(false)
    private let arrivals = Atomic<Int>(0)
    private let changes = NotificationCounter()

    public init() {}

    /// Stops the calling thread until the gate is opened.
    public func pass() {
        arrivals.wrappingAdd(1, ordering: .acquiringAndReleasing)
        changes.add()
        precondition(changes.wait(seconds: 300) { open.load(ordering: .acquiring) }, "nobody opened the gate")
    }

    public func letThrough() {
        open.store(true, ordering: .releasing)
        changes.add()
    }

    /// How many threads have come to the gate.
    public var arrivalCount: Int { arrivals.load(ordering: .acquiring) }

    /// Waits until that many threads have come to the gate. Not in a Swift task, whose thread others may need.
    public func waitForArrivals(_ count: Int) -> Bool {
        changes.wait(seconds: 120) { arrivals.load(ordering: .acquiring) >= count }
    }
}
