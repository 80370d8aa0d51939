import GuestMemory
import Testing
import Virtqueue

/// The decisions of event suppression in a packed ring (virtio 1.4, 2.8.10), against a model that looks at each slot.
@Suite struct PackedEventTests {
    private static let size = 7

    /// A ring that both sides keep moving, batch by batch, and how many slots each has passed in all.
    private struct Ring: ~Copyable {
        var driver: PackedDriverQueue
        var reader: PackedAvailableReader
        var writer: PackedUsedWriter
        let raw: RawPackedRing
        var passed = 0

        init(_ features: RingFeatures) throws {
            let queue = try TestQueue(size: UInt16(PackedEventTests.size), features: features.union(.packed))
            let driver = try PackedDriverQueue(queue.configuration, memory: queue.map)
            reader = try PackedAvailableReader(queue.configuration, memory: queue.map)
            writer = reader.usedWriter()
            self.driver = driver
            raw = RawPackedRing(queue: queue)
        }

        /// Adds chains of one or two buffers: `count` descriptors.
        mutating func add(_ count: Int, using random: inout Generator) {
            var left = count
            while left > 0 {
                let taken = min(left, 1 + random.below(2))
                let buffers = Array(repeating: GuestBuffer(TestMemory.dataStart, count: 1), count: taken)
                expect(driver.add(writable: buffers))
                left -= taken
            }
            passed += count
        }

        mutating func use() throws { while let chain = try reader.pop() { writer.push(chain, written: 1) } }

        mutating func drain() throws { while try driver.popUsed() != nil {} }
    }

    /// The slot that is passed as the `number`-th.
    private static func event(_ number: Int) -> RawPackedRing.Event {
        .at(UInt16(number % size), wrap: number / size % 2 == 0)
    }

    @Test(
        "packed.event.driver-desc, packed.event.device-desc: a notification when the slot is among those passed",
        arguments: [true, false])
    func notifiesWhenTheEventIsPassed(_ asksDriver: Bool) throws {
        var ring = try Ring(.eventIndex)
        var random = Generator(asksDriver ? 21 : 22)
        for _ in 0..<6000 {
            let before = ring.passed
            let count = random.below(Self.size + 1)
            // Never more than the lap that is named by one bit.
            let slot = max(0, before + random.below(2 * Self.size) - (Self.size - count))
            ring.raw.deviceEvent = Self.event(slot)
            ring.raw.driverEvent = Self.event(slot)
            let expected = slot >= before && slot < before + count
            ring.add(count, using: &random)
            if asksDriver {
                expect(ring.driver.needsKick(), is: expected)
                expect(ring.driver.needsKick(), is: false, "asked again with nothing new")
            }
            try ring.use()
            if !asksDriver {
                expect(ring.writer.needsInterrupt(), is: expected)
                expect(ring.writer.needsInterrupt(), is: false, "asked again with nothing new")
            }
            try ring.drain()
        }
    }

    @Test(
        """
        packed.event.driver-enable, packed.event.driver-disable, packed.event.device-enable, \
        packed.event.device-disable: the other flags, with and without the feature; reserved ones count as enable
        """,
        arguments: [RingFeatures.eventIndex, []])
    func flagsDecide(_ features: RingFeatures) throws {
        var ring = try Ring(features)
        var random = Generator(23)
        for _ in 0..<1000 {
            let count = random.below(4)
            let wishes: [RawPackedRing.Event] = [
                .enable, .disable, .init(offset: UInt16(random.below(65536)), flags: 0),
                .init(offset: UInt16(random.below(65536)), flags: 1), .init(flags: 3), .init(flags: 0xfffc),
            ]
            let wish = wishes[random.below(wishes.count)]
            ring.raw.deviceEvent = wish
            ring.raw.driverEvent = wish
            ring.add(count, using: &random)
            expect(ring.driver.needsKick(), is: count > 0 && wish.flags & 3 != 1)
            try ring.use()
            expect(ring.writer.needsInterrupt(), is: count > 0 && wish.flags & 3 != 1)
            try ring.drain()
        }
    }

    @Test(
        """
        packed.event.device-flag-values, packed.event.driver-flag-values, packed.event.device-reserved-zero, \
        packed.event.driver-reserved-zero, packed.recv.driver-rechecks
        """,
        arguments: [RingFeatures.eventIndex, []])
    func wishesAreWrittenAsNegotiated(_ features: RingFeatures) throws {
        var ring = try Ring(features)
        var random = Generator(24)
        let hasEvent = features.contains(.eventIndex)
        for step in 0..<50 {
            ring.driver.suppressInterrupts()
            ring.reader.suppressKicks()
            expect(ring.raw.driverEvent, is: .disable)
            expect(ring.raw.deviceEvent, is: .disable)
            ring.add(3, using: &random)
            expect(ring.reader.armKicks(), is: false, "three available descriptors wait")
            expect(ring.raw.deviceEvent, is: hasEvent ? Self.event(3 * step) : .enable)
            try ring.use()
            expect(ring.driver.armInterrupts(), is: false, "three used descriptors wait")
            expect(ring.raw.driverEvent, is: hasEvent ? Self.event(3 * step) : .enable)
            try ring.drain()
            expect(ring.reader.armKicks() && ring.driver.armInterrupts())
            expect(ring.raw.deviceEvent, is: hasEvent ? Self.event(3 * step + 3) : .enable)
            expect(ring.raw.driverEvent, is: hasEvent ? Self.event(3 * step + 3) : .enable)
        }
    }

    @Test("A batch of more than a ring that nobody asked about is not lost") func longBatch() throws {
        var ring = try Ring([])
        var random = Generator(25)
        for _ in 0..<40_000 {
            ring.add(2, using: &random)
            try ring.use()
            try ring.drain()
        }
        expect(ring.driver.needsKick() && ring.writer.needsInterrupt())
    }
}
