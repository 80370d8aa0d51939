/// How long the worker of the high priority queue lets FORGETs pile up.
///
/// Nobody waits for what that queue carries: to look for it would take a processor from those who do, and so would a kick
/// and a wake for each. So the worker sleeps while several come, for as long as the ring takes to fill up by a good part.
struct Coalescing {
    /// Nanoseconds. An INTERRUPT waits as long, at most, and so do a forgotten file's descriptor and its space.
    private static let (shortest, longest) = (50_000, 1_000_000)

    private var time = shortest
    /// Chains that were popped when the worker last had nothing to do.
    private var popped: UInt64 = 0

    /// The worker has nothing to do: for how long it is to sleep before it looks again, in nanoseconds; nothing where no
    /// more than one chain came since it was last asked.
    ///
    /// - Parameters:
    ///   - popped: chains that were popped until now.
    ///   - size: descriptors in the queue.
    mutating func nap(popped: UInt64, size: UInt16) -> Int? {
        let count = popped &- self.popped
        self.popped = popped
        guard count > 1 else {
            time = Self.shortest
            return nil
        }
        // A ring that is full makes the driver ask for interrupts, or wait.
        if count < size / 4 {
            time = min(time * 2, Self.longest)
        } else if count > size / 2 {
            time = max(time / 2, Self.shortest)
        }
        return time
    }
}
