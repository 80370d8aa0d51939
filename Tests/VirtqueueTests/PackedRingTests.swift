import CKernel
import GuestMemory
import Testing
import Virtqueue

/// What each half of a packed ring writes, slot by slot (virtio 1.4, 2.8).
@Suite struct PackedRingTests {
    private typealias Flags = RawPackedRing.Flags

    private static func queue(_ size: UInt16, _ features: RingFeatures = .indirectDescriptors) throws -> TestQueue {
        try TestQueue(size: size, features: features.union(.packed))
    }

    private static let buffer = GuestBuffer(TestMemory.dataStart, count: 8)

    @Test(
        """
        packed.wrap.driver-counter, packed.wrap.driver-avail-encoding, packed.avail.driver-ring-order, \
        packed.chain.driver-id-in-last, packed.chain.driver-flags-everywhere, packed.wrap.device-counter, \
        packed.wrap.device-used-encoding, packed.chain.device-single-used, packed.used.device-write-bit, \
        packed.used.device-length, packed.desc.device-final-after-used
        """)
    func slotsOverSeveralLaps() throws {
        let queue = try Self.queue(5)
        let raw = RawPackedRing(queue: queue)
        var driver = try PackedDriverQueue(queue.configuration, memory: queue.map)
        var reader = try PackedAvailableReader(queue.configuration, memory: queue.map)
        var writer = reader.usedWriter()
        for step in 0..<30 {
            // Three descriptors at a time over a ring of five: lists straddle the end.
            expect(driver.add(readable: [Self.buffer], writable: [Self.buffer, Self.buffer], token: UInt32(step)))
            let slots = (3 * step..<3 * step + 3)
            for slot in slots {
                var flags: Flags = slot / 5 % 2 == 0 ? .available : .used
                if slot > slots.first! { flags.insert(.write) }
                if slot < slots.last! { flags.insert(.next) }
                expect(raw.descriptor(slot % 5).flags, is: flags)
                expect(raw.descriptor(slot % 5).id < 5)
            }
            let id = raw.descriptor(slots.last! % 5).id
            let others = slots.dropFirst().map { raw.descriptor($0 % 5) }
            let chain = try reader.pop()!
            expect(chain.id, is: id)
            let written = UInt32(step % 3)
            writer.push(chain, written: written)
            let used = raw.descriptor(slots.first! % 5)
            let ownership: Flags = slots.first! / 5 % 2 == 0 ? [.available, .used] : []
            expect(used.flags, is: written > 0 ? ownership.union(.write) : ownership)
            expect(used.id, is: id)
            expect(used.length, is: written)
            expect(slots.dropFirst().map { raw.descriptor($0 % 5) }, is: others)
            let answer = try driver.popUsed()
            expect(answer?.token, is: UInt32(step))
            expect(answer?.written, is: written)
        }
    }

    @Test("packed.indirect.driver-negotiated, packed.indirect.driver-table-flags, packed.indirect.driver-no-next-mix")
    func tablesAreWrittenAsNegotiated() throws {
        for features in [[], .indirectDescriptors] as [RingFeatures] {
            let queue = try Self.queue(4, features)
            let raw = RawPackedRing(queue: queue)
            var driver = try PackedDriverQueue(queue.configuration, memory: queue.map)
            let table = queue.table(0)
            expect(driver.add(readable: [Self.buffer], writable: [Self.buffer], table: table, token: 1))
            if features.isEmpty {
                expect(raw.descriptor(0).flags, is: [.available, .next])
                expect(raw.descriptor(1).flags, is: [.available, .write])
            } else {
                expect(raw.descriptor(0).flags, is: [.available, .indirect])
                expect(raw.descriptor(0).length, is: 32)
                expect(raw.descriptor(1).flags, is: [])
                expect(table.pointer.load(fromByteOffset: 14, as: UInt16.self), is: 0)
                expect(table.pointer.load(fromByteOffset: 30, as: UInt16.self), is: 2)
            }
        }
    }

    @Test("packed.order.device-write-reorder, packed.used.device-ring-order: returned in any order, read in ring order")
    func outOfOrderCompletion() throws {
        let queue = try Self.queue(7)
        var driver = try PackedDriverQueue(queue.configuration, memory: queue.map)
        var reader = try PackedAvailableReader(queue.configuration, memory: queue.map)
        var writer = reader.usedWriter()
        var segments = SegmentList(queueSize: 7)
        for count in 1...3 {
            let buffers = Array(repeating: GuestBuffer(TestMemory.dataStart, count: UInt32(count)), count: count)
            expect(driver.add(writable: buffers, token: UInt32(count)))
        }
        let chains = [try reader.pop()!, try reader.pop()!, try reader.pop()!]
        // The last is returned first, over the descriptors of the first; that one can still be walked.
        for index in [2, 0, 1] {
            try reader.walk(from: chains[index], into: &segments)
            expect(segments.writable.map(\.iov_len), is: Array(repeating: index + 1, count: index + 1))
            writer.push(chains[index], written: UInt32(index))
        }
        for token: UInt32 in [3, 1, 2] {
            let answer = try driver.popUsed()
            expect(answer?.token, is: token)
            expect(answer?.written, is: token - 1)
        }
        expect(driver.freeCount, is: 7)
    }

    @Test("A device that takes over in mid-life goes on at the positions of the one before") func takeOver() throws {
        var random = Generator(31)
        let queue = try TestQueue.forTraffic(size: 5, features: .packed, using: &random)
        var driver = try TestDriver(queue, salt: 31)
        var position: (available: UInt16, used: UInt16) = (0x8000, 0x8000)
        for _ in 0..<200 {
            var device = try TestDevice(queue, salt: 31, start: position)
            for _ in 0..<random.below(3) { _ = driver.send() }
            while try device.take() { try device.answer() }
            position = (device.reader.nextAvailable, device.writer.nextUsed)
            while try driver.receive() {}
        }
        expect(driver.failure, is: nil)
        expect(driver.inFlight, is: 0)
        expect(driver.answeredCount > 50)
        var configuration = queue.configuration
        configuration.size = 4
        expectBroken(.descriptorIndex(4)) {
            _ = try PackedAvailableReader(configuration, memory: queue.map, start: 4)
        }
    }

    @Test("packed.event.device-driver-area-readonly, packed.event.driver-device-area-readonly") func areasAreKept()
        throws
    {
        let queue = try Self.queue(4, .eventIndex)
        let raw = RawPackedRing(queue: queue)
        var driver = try PackedDriverQueue(queue.configuration, memory: queue.map)
        var reader = try PackedAvailableReader(queue.configuration, memory: queue.map)
        var writer = reader.usedWriter()
        raw.deviceEvent = .at(3, wrap: true)
        expect(driver.add(writable: [Self.buffer]))
        _ = driver.needsKick()
        driver.suppressInterrupts()
        expect(driver.armInterrupts())
        expect(raw.deviceEvent, is: .at(3, wrap: true))
        raw.driverEvent = .at(2, wrap: false)
        writer.push(try reader.pop()!, written: 0)
        _ = writer.needsInterrupt()
        reader.suppressKicks()
        expect(reader.armKicks())
        expect(raw.driverEvent, is: .at(2, wrap: false))
    }

    @Test("packed.driver-alignment, packed.device-size-limit: a ring that cannot be one is refused at set-up")
    func brokenConfiguration() throws {
        let queue = try Self.queue(8)
        for size: UInt16 in [0, 0x8001, 0xffff] {
            var configuration = queue.configuration
            configuration.size = size
            expectBroken(.badSize(size)) { _ = try AvailableReader(configuration, memory: queue.map) }
            expectBroken(.badSize(size)) { _ = try DriverQueue(configuration, memory: queue.map) }
        }
        let areas: [WritableKeyPath<QueueConfiguration, GuestAddress>] = [\.descriptorArea, \.driverArea, \.deviceArea]
        for (area, offset): (Int, UInt64) in [(0, 8), (1, 2), (2, 2), (0, 1 << 40), (1, 1 << 40), (2, 1 << 40)] {
            var configuration = queue.configuration
            configuration[keyPath: areas[area]] = configuration[keyPath: areas[area]] + offset
            expectBroken(.ringOutsideMemory) { _ = try AvailableReader(configuration, memory: queue.map) }
            expectBroken(.ringOutsideMemory) { _ = try DriverQueue(configuration, memory: queue.map) }
        }
    }
}
