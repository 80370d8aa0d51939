import CKernel
import GuestMemory
import Testing
import Virtqueue

/// What a wrong or hostile driver may put into a packed ring, and what the device half says to it. Legal but unusual
/// lists too.
@Suite struct PackedHostileDriverTests {
    typealias Descriptor = RawPackedRing.Descriptor

    private struct Device: ~Copyable {
        let raw: RawPackedRing
        var reader: PackedAvailableReader
        var segments: SegmentList

        init(size: UInt16 = 8, features: RingFeatures = .indirectDescriptors, dataSize: Int = 4096) throws {
            let queue = try TestQueue(size: size, features: features.union(.packed), dataSize: dataSize)
            reader = try PackedAvailableReader(queue.configuration, memory: queue.map)
            raw = RawPackedRing(queue: queue)
            segments = SegmentList(queueSize: size)
        }

        /// Makes a list available from slot 0 on, takes it and walks it.
        mutating func walk(_ list: [Descriptor]) throws {
            raw.makeAvailable(list)
            let chain = try reader.pop()!
            try reader.walk(from: chain, into: &segments)
        }
    }

    private static func refuses(
        _ error: RingError, features: RingFeatures = .indirectDescriptors,
        at location: SourceLocation = #_sourceLocation, _ make: (RawPackedRing) -> [Descriptor]
    ) throws {
        var device = try Device(features: features)
        let list = make(device.raw)
        expectBroken(error, at: location) { try device.walk(list) }
    }

    @Test("packed.desc.device-waits-avail: neither a zero ring nor stale descriptors of the lap before")
    func nothingAvailable() throws {
        var device = try Device()
        expect(device.reader.isEmpty)
        expect(try device.reader.pop() == nil)
        for flags in [[.used], [.available, .used], []] as [RawPackedRing.Flags] {
            device.raw.set(0, Descriptor(flags: flags))
            expect(try device.reader.pop() == nil)
        }
    }

    @Test("packed.sg.driver-queue-limit: a list without an end, as long as the ring or longer") func endlessList()
        throws
    {
        try Self.refuses(.chainTooLong) { _ in Array(repeating: Descriptor(flags: .next), count: 8) }
        var device = try Device(size: 1)
        expectBroken(.chainTooLong) { try device.walk([Descriptor(flags: .next)]) }
        var whole = try Device()
        try whole.walk(Array(repeating: Descriptor(flags: .next), count: 7) + [Descriptor()])
        expect(whole.segments.readable.count, is: 8)
    }

    @Test("packed.desc.driver-waits-used: a driver that makes a second lap available before the first was used")
    func overwritingDriver() throws {
        var device = try Device(size: 4)
        for _ in 0..<3 {
            device.raw.makeAvailable(Array(repeating: Descriptor(), count: 4))
            for _ in 0..<4 where try device.reader.pop() == nil { Issue.record("nothing was available") }
            for slot in 0..<4 { device.raw.set(slot, Descriptor(flags: .used)) }
            expectBroken(.tooManyInFlight) { _ = try device.reader.pop() }
            expectBroken(.tooManyInFlight) { _ = try device.reader.pop() }
            device = try Device(size: 4)
        }
    }

    @Test("packed.indirect.driver-no-next-mix, packed.indirect.driver-negotiated, packed.indirect.driver-limit")
    func brokenIndirectDescriptors() throws {
        try Self.refuses(.badIndirectTable) { [Descriptor(flags: .next), $0.table([Descriptor()])] }
        try Self.refuses(.badIndirectTable) { ring in
            var table = ring.table([Descriptor()])
            table.flags.insert(.next)
            return [table, Descriptor()]
        }
        try Self.refuses(.badIndirectTable, features: .eventIndex) { [$0.table([Descriptor()])] }
        try Self.refuses(.chainTooLong) { [$0.table(Array(repeating: Descriptor(), count: 9))] }
        for length: UInt32 in [0, 1, 15, 17, 40] {
            try Self.refuses(.badIndirectTable) { ring in
                var table = ring.table([Descriptor()])
                table.length = length
                return [table]
            }
        }
    }

    @Test("A table that is not in guest memory, or only in part")
    func tableOutsideMemory() throws {
        let end = TestMemory.tableStart + 16 * 32 * 8
        for address in [GuestAddress(0), GuestAddress(.max - 15), end, TestMemory.tableStart + (16 * 32 * 8 - 16)] {
            try Self.refuses(.bufferOutsideMemory(address, count: 32)) { _ in
                [Descriptor(address: address, length: 32, flags: .indirect)]
            }
        }
        try Self.refuses(.chainTooLong) { _ in
            [Descriptor(address: TestMemory.tableStart, length: 0xffff_fff0, flags: .indirect)]
        }
    }

    @Test("A buffer that leaves its region, or whose end wraps", arguments: HostileDriverTests.outside)
    func bufferOutsideMemory(_ address: GuestAddress, length: UInt32) throws {
        for flags in [[], .write] as [RawPackedRing.Flags] {
            let buffer = Descriptor(address: address, length: length, flags: flags)
            try Self.refuses(.bufferOutsideMemory(address, count: length)) { _ in [buffer] }
            try Self.refuses(.bufferOutsideMemory(address, count: length)) { [$0.table([buffer])] }
        }
    }

    @Test("packed.sg.driver-writable-last: a readable buffer after a writable one") func readableLast() throws {
        try Self.refuses(.readableAfterWritable) { _ in [Descriptor(flags: [.next, .write]), Descriptor()] }
        try Self.refuses(.readableAfterWritable) { [$0.table([Descriptor(flags: .write), Descriptor()])] }
    }

    @Test("A list of more than 2^32 bytes, though each buffer lies in memory") func chainTooLarge() throws {
        var device = try Device(dataSize: 1 << 30)
        let large = Descriptor(length: 1 << 30, flags: [.next, .write])
        expectBroken(.chainTooLarge) {
            try device.walk(Array(repeating: large, count: 4) + [Descriptor(length: 1, flags: .write)])
        }
    }

    @Test("packed.chain.device-id-from-last: junk IDs before the last do not count") func idFromLast() throws {
        var device = try Device()
        device.raw.makeAvailable([
            Descriptor(id: 7, flags: .next), Descriptor(id: 0xffff, flags: .next), Descriptor(id: 3),
        ])
        expect(try device.reader.pop()?.id, is: 3)
    }

    @Test(
        """
        packed.indirect.device-contiguous, packed.indirect.device-ignores-flags, packed.indirect.device-ignores-id, \
        packed.indirect.device-ignores-outer-write: at any address
        """,
        arguments: [0, 1, 8, 13])
    func tableEntries(_ offset: Int) throws {
        var random = Generator(41 + offset)
        var device = try Device()
        var entries = (1...6).map { Descriptor(length: $0, id: UInt16(random.below(65536))) }
        for index in entries.indices {
            // Everything but WRITE is junk here.
            entries[index].flags = .init(rawValue: UInt16(random.below(65536)) & ~2 | (index >= 4 ? 2 : 0))
        }
        var table = device.raw.table(entries, at: offset)
        table.id = 5
        if random.chance(50) { table.flags.insert(.write) }
        device.raw.makeAvailable([table])
        let chain = try device.reader.pop()!
        try device.reader.walk(from: chain, into: &device.segments)
        expect(chain.id, is: 5)
        expect(device.segments.readable.map(\.iov_len), is: [1, 2, 3, 4])
        expect(device.segments.writable.map(\.iov_len), is: [5, 6])
    }

    @Test("A driver that changes a list after it was popped gains nothing") func changedAfterPop() throws {
        var device = try Device()
        device.raw.makeAvailable([Descriptor(flags: .next), Descriptor(length: 9)])
        let chain = try device.reader.pop()!
        device.raw.makeAvailable([Descriptor(address: GuestAddress(1), flags: .next), Descriptor(flags: .indirect)])
        try device.reader.walk(from: chain, into: &device.segments)
        expect(device.segments.readable.map(\.iov_len), is: [8, 9])
    }
}

/// What a wrong or hostile device may return in a packed ring.
@Suite struct PackedHostileDeviceTests {
    private struct Driver: ~Copyable {
        let raw: RawPackedRing
        var ring: PackedDriverQueue

        init(chains: Int) throws {
            let queue = try TestQueue(size: 8, features: .packed)
            ring = try PackedDriverQueue(queue.configuration, memory: queue.map)
            raw = RawPackedRing(queue: queue)
            for token in 0..<chains { expect(ring.add(writable: [Self.buffer], token: UInt32(token))) }
        }

        static let buffer = GuestBuffer(TestMemory.dataStart, count: 8)
    }

    @Test("An ID that is not in flight", arguments: [2, 7, 8, 0x8000, .max]) func unknownID(_ id: UInt16) throws {
        var driver = try Driver(chains: 2)
        driver.raw.use(id, at: 0, written: 1)
        expectBroken(.unknownUsedID(UInt32(id))) { _ = try driver.ring.popUsed() }
        expectBroken(.unknownUsedID(UInt32(id))) { _ = try driver.ring.popUsed() }
        expect(driver.ring.freeCount, is: 6)
    }

    @Test("An ID returned twice, and one returned to a driver with nothing in flight") func returnedTwice() throws {
        var driver = try Driver(chains: 1)
        for slot in 0..<2 { driver.raw.use(0, at: slot, written: 3) }
        expect(try driver.ring.popUsed()?.written, is: 3)
        expectBroken(.unknownUsedID(0)) { _ = try driver.ring.popUsed() }
    }

    @Test("A length above what the list can hold", arguments: [9, 0x8000_0000, .max]) func tooLong(_ length: UInt32)
        throws
    {
        var driver = try Driver(chains: 1)
        driver.raw.use(0, at: 0, written: length)
        expectBroken(.writtenTooMuch(length)) { _ = try driver.ring.popUsed() }
    }

    @Test(
        "packed.used.driver-ignores-length, packed.used.driver-ignores-address, packed.chain.driver-ignores-used-next")
    func meaninglessFields() throws {
        var driver = try Driver(chains: 1)
        driver.raw.use(0, at: 0, written: nil)
        var used = driver.raw.descriptor(0)
        used.flags.formUnion([.next, .indirect])
        driver.raw.set(0, used)
        expect(try driver.ring.popUsed()?.written, is: 0)
        expect(driver.ring.freeCount, is: 8)
    }

    @Test("A device that scribbles over the ring cannot make the driver forget or repeat a descriptor")
    func scribblingDevice() throws {
        var random = Generator(51)
        let queue = try TestQueue(size: 13, features: [.packed, .indirectDescriptors])
        let raw = RawPackedRing(queue: queue)
        var ring = try PackedDriverQueue(queue.configuration, memory: queue.map)
        var inFlight: [(id: UInt16, token: UInt32, length: UInt16)] = []
        var position = (available: 0, used: 0)
        for token in 0..<UInt32(5000) {
            let count = 1 + random.below(5)
            let buffers = Array(repeating: GuestBuffer(TestMemory.dataStart, count: 4), count: count)
            let isIndirect = random.chance(30)
            if ring.add(writable: buffers, table: isIndirect ? queue.table(0) : nil, token: token) {
                let length = isIndirect ? 1 : count
                inFlight.append((raw.descriptor((position.available + length - 1) % 13).id, token, UInt16(length)))
                position.available += length
            }
            for index in 0..<13 * 16 { raw.queue.memory.ringBytes[index] = UInt8(truncatingIfNeeded: random.next()) }
            guard !inFlight.isEmpty, random.chance(60) || ring.freeCount < 5 else { continue }
            let done = inFlight.remove(at: random.below(inFlight.count))
            let isEvenLap = position.used / 13 % 2 == 0
            raw.set(
                position.used % 13,
                .init(length: 4, id: done.id, flags: isEvenLap ? [.available, .used, .write] : .write))
            position.used += Int(done.length)
            expect(try ring.popUsed()?.token, is: done.token)
            expect(ring.freeCount + inFlight.reduce(0) { $0 + $1.length }, is: 13)
            expect(Set(inFlight.map(\.id)).count, is: inFlight.count)
        }
    }
}
