import Syscalls

/// Counts notifications, and lets a test wait for what they announce.
public final class NotificationCounter: Sendable {
    private let word = ParkingWord(0)

    public init() {}

    /// Notifications so far; wraps.
    public var count: UInt32 { word.value }

    /// Counts one.
    public func add() {
        word.add(1)
        word.wake(.max)
    }

    /// Waits until `condition` holds, looking at each notification; false when the watchdog was faster.
    public func wait(seconds: Int, until condition: () -> Bool) -> Bool {
        let deadline = monotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
        while true {
            let before = word.value
            if condition() { return true }
            guard monotonicNanoseconds() < deadline else { return false }
            word.park(while: before, nanoseconds: 100_000_000)
        }
    }
}
