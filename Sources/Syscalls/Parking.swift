import Synchronization

import CKernel

/// A word that threads sleep on until it changes (futex(2)).
public struct ParkingWord: ~Copyable, @unchecked Sendable {
    private let word: UnsafeMutablePointer<Atomic<UInt32>>

    public init(_ value: UInt32 = 0) {
        word = .allocateOnOwnCacheLines()
        word.initialize(to: Atomic(value))
    }

    deinit {
        word.deinitialize(count: 1)
        word.deallocate()
    }

    public var value: UInt32 { word.pointee.load(ordering: .acquiring) }

    public func store(_ value: UInt32) { word.pointee.store(value, ordering: .releasing) }

    @discardableResult
    public func add(_ count: UInt32) -> UInt32 {
        word.pointee.wrappingAdd(count, ordering: .acquiringAndReleasing).newValue
    }

    public func compareExchange(expected: UInt32, desired: UInt32) -> Bool {
        word.pointee.compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing).exchanged
    }

    /// Sleeps while the word holds `expected`. May return early, so the caller looks again.
    public func park(while expected: UInt32) { _ = ck_futex_wait(word, expected, nil) }

    /// As ``park(while:)``, for at most `nanoseconds`.
    public func park(while expected: UInt32, nanoseconds: Int) {
        var timeout = timespec(tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
        _ = ck_futex_wait(word, expected, &timeout)
    }

    /// Wakes at most `count` of the threads that sleep here.
    public func wake(_ count: Int32 = 1) { _ = ck_futex_wake(word, count) }
}

/// Something that happens once: threads wait for it, any number of times.
public struct OneTimeEvent: ~Copyable, Sendable {
    private let word = ParkingWord(0)

    public init() {}

    public var hasHappened: Bool { word.value == 1 }

    public func signal() {
        word.store(1)
        word.wake(.max)
    }

    public func wait() {
        while word.value == 0 { word.park(while: 0) }
    }

    /// Waits at most `seconds`; whether it happened.
    public func wait(seconds: Int) -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while word.value == 0 {
            guard ContinuousClock.now < deadline else { return false }
            word.park(while: 0, nanoseconds: 100_000_000)
        }
        return true
    }
}

/// Tells the processor that this is a spin loop.
@inline(__always)
public func spinHint() { ck_pause() }

/// Lets another thread that waits for this processor have it. The corresponding call is sched_yield(2).
public func yieldProcessor() { sched_yield() }
