import Testing

@testable import KernelMount

/// When a reader lets callers have the processor.
@Suite struct GivingWayTests {
    private static let millisecond: UInt64 = 1_000_000

    /// How long nobody gives way after it took so long, in milliseconds.
    private func pause(after taken: UInt64, _ givingWay: inout GivingWay, at now: inout UInt64) -> UInt64 {
        givingWay.note(from: now, to: now + taken)
        now += taken
        let start = now
        while !givingWay.isWorthwhile(at: now) { now += Self.millisecond }
        return (now - start) / Self.millisecond
    }

    @Test("Callers that take little are given way each time") func quick() {
        var (givingWay, now) = (GivingWay(), 5 * Self.millisecond)
        for _ in 0..<5_000 { #expect(pause(after: 250_000, &givingWay, at: &now) == 0) }
    }

    @Test("A program that keeps the processor for a slice is tried ever more seldom, down to once in 2 s") func slices()
    {
        var (givingWay, now) = (GivingWay(), 5 * Self.millisecond)
        let pauses = (0..<8).map { _ in pause(after: 2_800_000, &givingWay, at: &now) }
        #expect(pauses == [40, 80, 160, 320, 640, 1_280, 2_000, 2_000])
    }

    @Test("Once it has gone, and 1,000 times have shown it, the pauses begin anew") func gone() {
        var (givingWay, now) = (GivingWay(), 5 * Self.millisecond)
        for _ in 0..<3 { _ = pause(after: 2_800_000, &givingWay, at: &now) }
        for _ in 0..<999 { _ = pause(after: 10_000, &givingWay, at: &now) }
        #expect(pause(after: 2_800_000, &givingWay, at: &now) == 320)
        for _ in 0..<1_000 { _ = pause(after: 10_000, &givingWay, at: &now) }
        #expect(pause(after: 2_800_000, &givingWay, at: &now) == 40)
    }
}
