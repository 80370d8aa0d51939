import CKernel
import GuestMemory
import Testing

@testable import Virtqueue

/// The decisions of event suppression (virtio 1.4, 2.7.7 and 2.7.10), with the kernel's own function as the oracle.
@Suite struct EventIndexTests {
    /// Indexes that are often near each other and near the wrap.
    private static func index(near base: UInt16, using random: inout Generator) -> UInt16 {
        random.chance(20) ? UInt16(truncatingIfNeeded: random.next()) : base &+ UInt16(random.below(9)) &- 4
    }

    @Test("split.availnotif.driver-kicks-at-event: as vring_need_event of linux/virtio_ring.h")
    func crossingAgreesWithTheKernel() {
        var random = Generator(1)
        var disagreements = 0
        for _ in 0..<200_000 {
            let base = random.chance(30) ? 0 : UInt16(truncatingIfNeeded: random.next())
            let event = Self.index(near: base, using: &random)
            let new = Self.index(near: base, using: &random)
            let old = Self.index(near: base, using: &random)
            if crossesEvent(event: event, new: new, old: old) != (vring_need_event(event, new, old) != 0) {
                disagreements += 1
            }
        }
        expect(disagreements, is: 0)
    }

    /// A ring that both sides keep moving, batch by batch.
    private struct Ring: ~Copyable {
        var driver: SplitDriverQueue
        var reader: SplitAvailableReader
        var writer: SplitUsedWriter
        let raw: RawSplitRing
        var index: UInt16 = 0

        init(_ features: RingFeatures) throws {
            let queue = try TestQueue(size: 64, features: features)
            let driver = try SplitDriverQueue(queue.configuration, memory: queue.map)
            let reader = try SplitAvailableReader(queue.configuration, memory: queue.map)
            let writer = try SplitUsedWriter(queue.configuration, memory: queue.map)
            raw = RawSplitRing(queue: queue)
            self.driver = driver
            self.reader = reader
            self.writer = writer
        }

        mutating func add(_ count: Int) {
            for _ in 0..<count { expect(driver.add(writable: [GuestBuffer(TestMemory.dataStart, count: 1)])) }
        }

        mutating func use(_ count: Int) throws {
            for _ in 0..<count { writer.push(try reader.pop()!, written: 0) }
            index &+= UInt16(count)
        }

        mutating func drain() throws { while try driver.popUsed() != nil {} }
    }

    @Test(
        """
        split.availnotif.driver-kicks-at-event, split.availnotif.driver-quiet-off-event, \
        split.availnotif.driver-ignores-flag
        """)
    func kicksAtTheEvent() throws {
        var ring = try Ring(.eventIndex)
        var random = Generator(2)
        for _ in 0..<6000 {
            let count = random.below(33)
            let event = Self.index(near: ring.index &+ UInt16(count / 2), using: &random)
            ring.raw.setAvailableEvent(event)
            ring.raw.setUsedFlags(UInt16(random.below(2)))
            ring.add(count)
            let expected = vring_need_event(event, ring.index &+ UInt16(count), ring.index) != 0
            expect(ring.driver.needsKick(), is: expected)
            expect(ring.driver.needsKick(), is: false, "asked again with nothing new")
            try ring.use(count)
            try ring.drain()
        }
        expect(ring.raw.availableFlags, is: 0)
    }

    @Test(
        """
        split.usednotif.device-notifies-at-event, split.usednotif.device-quiet-off-event, \
        split.usednotif.device-ignores-flag
        """)
    func interruptsAtTheEvent() throws {
        var ring = try Ring(.eventIndex)
        var random = Generator(3)
        for _ in 0..<6000 {
            let count = random.below(33)
            let event = Self.index(near: ring.index &+ UInt16(count / 2), using: &random)
            ring.raw.setUsedEvent(event)
            ring.raw.setAvailableFlags(UInt16(random.below(2)))
            ring.add(count)
            let before = ring.index
            try ring.use(count)
            expect(ring.writer.needsInterrupt(), is: vring_need_event(event, ring.index, before) != 0)
            expect(ring.writer.needsInterrupt(), is: false, "asked again with nothing new")
            try ring.drain()
        }
        expect(ring.raw.usedFlags, is: 0)
    }

    @Test(
        """
        split.availnotif.driver-kicks-when-enabled, split.availnotif.driver-quiet-when-suppressed, \
        split.availnotif.driver-ignores-avail-event, split.usednotif.device-notifies-when-enabled, \
        split.usednotif.device-quiet-when-suppressed, split.usednotif.device-ignores-used-event
        """)
    func flagsDecideWithoutAnEventIndex() throws {
        var ring = try Ring([])
        var random = Generator(4)
        for _ in 0..<3000 {
            let count = random.below(4)
            let isSuppressed = random.chance(50)
            ring.raw.setAvailableEvent(UInt16(truncatingIfNeeded: random.next()))
            ring.raw.setUsedEvent(UInt16(truncatingIfNeeded: random.next()))
            ring.raw.setUsedFlags(isSuppressed ? 1 : 0)
            ring.raw.setAvailableFlags(isSuppressed ? 1 : 0)
            ring.add(count)
            expect(ring.driver.needsKick(), is: count > 0 && !isSuppressed)
            try ring.use(count)
            expect(ring.writer.needsInterrupt(), is: count > 0 && !isSuppressed)
            try ring.drain()
        }
    }

    @Test(
        """
        split.usednotif.driver-flags-values, split.usednotif.driver-flags-zero, split.usednotif.driver-used-event, \
        split.availnotif.device-flags-values, split.availnotif.device-flags-zero, split.availnotif.device-avail-event
        """,
        arguments: [RingFeatures.eventIndex, []])
    func wishesAreWrittenAsNegotiated(_ features: RingFeatures) throws {
        var ring = try Ring(features)
        let hasEvent = features.contains(.eventIndex)
        ring.add(5)
        try ring.use(3)
        _ = try ring.driver.popUsed()
        ring.driver.suppressInterrupts()
        ring.reader.suppressKicks()
        expect(ring.raw.availableFlags, is: hasEvent ? 0 : 1)
        expect(ring.raw.usedFlags, is: hasEvent ? 0 : 1)
        expect(ring.driver.armInterrupts(), is: false, "two used chains wait")
        expect(ring.reader.armKicks(), is: false, "two available chains wait")
        expect(ring.raw.availableFlags, is: 0)
        expect(ring.raw.usedFlags, is: 0)
        expect(ring.raw.usedEvent, is: hasEvent ? 1 : 0)
        expect(ring.raw.availableEvent, is: hasEvent ? 3 : 0)
        try ring.use(2)
        try ring.drain()
        expect(ring.driver.armInterrupts() && ring.reader.armKicks())
        expect(ring.raw.usedEvent, is: hasEvent ? 5 : 0)
        expect(ring.raw.availableEvent, is: hasEvent ? 5 : 0)
    }

    @Test(
        "split.usednotif.driver-spurious-ok, split.availnotif.device-spurious-ok: looking at an idle ring is harmless")
    func spuriousNotificationsAreHarmless() throws {
        var ring = try Ring(.eventIndex)
        for _ in 0..<1000 {
            expect(try ring.driver.popUsed() == nil)
            expect(try ring.reader.pop() == nil)
        }
        ring.add(1)
        try ring.use(1)
        expect(try ring.driver.popUsed() != nil)
        expect(try ring.driver.popUsed() == nil)
    }
}
