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

    /// Lets the device interrupt until `body` returns, as it would a guest that sleeps, but only when more than half of what
    /// was under way is back. Meanwhile replies are delivered on the transport's thread, or on this one, and whoever
    /// sends sees to it that one does so at a time.
    public func collectReplies<Failure: Error>(while body: () throws(Failure) -> Void) throws(Failure) {
        queue.resumeInterrupts(collecting: true)
        defer { queue.stopInterrupts() }
        try body()
    }
}
