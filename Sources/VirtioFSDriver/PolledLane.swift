/// A request queue in the hands of one thread, which sends and looks for the replies itself: no interrupt is asked for,
/// and no other thread is woken. For measurements, and for whoever has nothing else to do than wait.
///
/// Replies go where ``VirtioFSDriver/onReply(_:)`` says, on the thread that calls ``takeReplies()``.
public final class PolledLane {
    private let queue: RequestQueue
    private let lane: DriverLane

    /// Takes a request queue over; nobody else takes replies from it. Once a session is up.
    ///
    /// - Parameter index: as in ``DriverLane/init(_:index:)``.
    public init(_ driver: VirtioFSDriver, index: Int) {
        queue = driver.requestQueue(index)
        lane = DriverLane(driver, index: index)
        queue.stopInterrupts()
    }

    /// From here on the device interrupts again.
    deinit { queue.resumeInterrupts() }

    /// Requests that can be under way at once without waiting for each other.
    public var capacity: Int { queue.slotCount - 1 }

    /// Where what is behind the head of the next request goes; see ``RequestLane``.
    public func prepare() -> UnsafeMutableRawBufferPointer { lane.prepare() }

    /// Sends the request; see ``RequestLane/send(head:length:lending:)``.
    public func send(head: UnsafeRawBufferPointer, length: Int, lending: Bool) {
        lane.send(head: head, length: length, lending: lending)
    }

    /// Delivers what the device has returned.
    public func takeReplies() { queue.completeUsed(polling: true) }
}
