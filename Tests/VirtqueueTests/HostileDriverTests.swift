import CKernel
import GuestMemory
import Testing
import Virtqueue

/// What a wrong or hostile driver may put into a split ring, and what the device half says to it. Legal but unusual
/// chains too.
@Suite struct HostileDriverTests {
    typealias Descriptor = RawSplitRing.Descriptor

    /// A device half over a ring written by hand.
    private struct Device: ~Copyable {
        let ring: RawSplitRing
        var reader: SplitAvailableReader
        var segments: SegmentList

        init(size: UInt16 = 8, features: RingFeatures = .indirectDescriptors, borders: [Int] = []) throws {
            let queue = try TestQueue(size: size, features: features, borders: borders)
            let reader = try SplitAvailableReader(queue.configuration, memory: queue.map)
            self.reader = reader
            ring = RawSplitRing(queue: queue)
            segments = SegmentList(queueSize: size)
        }

        /// Makes the chain at descriptor 0 available, takes it and walks it.
        mutating func walk(_ descriptors: [Descriptor]) throws {
            for (index, descriptor) in descriptors.enumerated() { ring.set(index, descriptor) }
            ring.makeAvailable(0)
            let head = try reader.pop()!
            try reader.walk(from: head, into: &segments)
        }
    }

    /// A device-readable buffer of `count` bytes, linked to descriptor `next`.
    private static func readable(_ count: UInt32 = 8, next: UInt16? = nil) -> Descriptor {
        Descriptor(address: TestMemory.dataStart, length: count, flags: next == nil ? [] : .next, next: next ?? 0)
    }

    private static func writable(_ count: UInt32 = 8, next: UInt16? = nil) -> Descriptor {
        var descriptor = readable(count, next: next)
        descriptor.flags.insert(.write)
        return descriptor
    }

    /// That a chain of these descriptors breaks the ring with `error`.
    private static func refuses(
        _ error: RingError, features: RingFeatures = .indirectDescriptors,
        at location: SourceLocation = #_sourceLocation, _ make: (RawSplitRing) -> [Descriptor]
    ) throws {
        var device = try Device(features: features)
        let descriptors = make(device.ring)
        expectBroken(error, at: location) { try device.walk(descriptors) }
    }

    @Test("split.avail.driver-no-decrement: an index that jumps or goes back")
    func indexJumps() throws {
        for index: UInt16 in [9, 100, 0x7fff, 0x8000, 0xffff] {
            var device = try Device()
            device.ring.setAvailableIndex(index)
            expectBroken(.indexJump(from: 0, to: index)) { _ = try device.reader.pop() }
        }
        var device = try Device()
        try device.walk([Self.readable()])
        device.ring.setAvailableIndex(0)
        expectBroken(.indexJump(from: 1, to: 0)) { _ = try device.reader.pop() }
    }

    @Test("A head that is no descriptor of the queue") func headOutOfRange() throws {
        for head: UInt16 in [8, 9, 0xffff] {
            var device = try Device()
            device.ring.makeAvailable(head)
            expectBroken(.descriptorIndex(head)) { _ = try device.reader.pop() }
        }
    }

    @Test("A next that is no descriptor of the queue or of the table") func nextOutOfRange() throws {
        for next: UInt16 in [8, 0xffff] {
            try Self.refuses(.descriptorIndex(next)) { _ in [Self.readable(next: next)] }
        }
        for next: UInt16 in [2, 8, 0xffff] {
            try Self.refuses(.descriptorIndex(next)) { [$0.table([Self.readable(next: next), Self.readable()])] }
        }
    }

    @Test("split.desc.driver-no-loops: in the queue, in a table, of one descriptor or of several") func loops() throws {
        try Self.refuses(.chainTooLong) { _ in [Self.readable(next: 0)] }
        try Self.refuses(.chainTooLong) { _ in [Self.readable(next: 1), Self.readable(next: 0)] }
        try Self.refuses(.chainTooLong) { _ in [Self.writable(0, next: 1), Self.writable(0, next: 1)] }
        try Self.refuses(.chainTooLong) { [$0.table([Self.readable(next: 0)])] }
        try Self.refuses(.chainTooLong) { ring in
            [Self.readable(next: 1), ring.table([Self.readable(next: 1), Self.readable(next: 0)])]
        }
    }

    @Test("split.indirect.driver-no-nesting, split.indirect.driver-no-next, split.indirect.driver-negotiated")
    func brokenIndirectDescriptors() throws {
        try Self.refuses(.badIndirectTable) { ring in
            let inner = ring.table([Self.readable()], at: 256)
            return [ring.table([Self.readable(next: 1), inner])]
        }
        try Self.refuses(.badIndirectTable) { ring in
            var outer = ring.table([Self.readable()])
            outer.flags.insert(.next)
            outer.next = 1
            return [outer, Self.readable()]
        }
        try Self.refuses(.badIndirectTable, features: .eventIndex) { [$0.table([Self.readable()])] }
    }

    @Test("split.indirect.driver-table-length: nothing, and what is no multiple of 16", arguments: [0, 1, 15, 17, 40])
    func brokenTableLength(_ length: UInt32) throws {
        try Self.refuses(.badIndirectTable) { ring in
            var table = ring.table([Self.readable()])
            table.length = length
            return [table]
        }
    }

    @Test(
        "A table that is not in guest memory, or only in part",
        arguments: [
            Descriptor(address: GuestAddress(0), length: 16, flags: .indirect),
            Descriptor(address: GuestAddress(.max - 15), length: 32, flags: .indirect),
            Descriptor(address: TestMemory.tableStart, length: 0xffff_fff0, flags: .indirect),
            Descriptor(address: TestMemory.tableStart + 16 * 32 * 8 + 16, length: 16, flags: .indirect),
            Descriptor(address: TestMemory.tableStart + (16 * 32 * 8 - 16), length: 32, flags: .indirect),
        ])
    func tableOutsideMemory(_ table: Descriptor) throws {
        try Self.refuses(.bufferOutsideMemory(table.address, count: table.length)) { _ in [table] }
    }

    static let outside: [(GuestAddress, UInt32)] = [
        (TestMemory.dataStart, 4097), (TestMemory.dataStart, .max), (TestMemory.dataStart + 4095, 2),
        (TestMemory.dataStart + 4096, 1), (GuestAddress(0), 1), (GuestAddress(.max), 1), (GuestAddress(.max), .max),
        (GuestAddress(.max - 7), 16), (GuestAddress(.max - 15), 17),
    ]

    @Test("A buffer that leaves its region, or whose end wraps", arguments: outside)
    func bufferOutsideMemory(_ address: GuestAddress, length: UInt32) throws {
        for flags in [[], .write] as [RawSplitRing.Flags] {
            let buffer = Descriptor(address: address, length: length, flags: flags)
            try Self.refuses(.bufferOutsideMemory(address, count: length)) { _ in [buffer] }
            try Self.refuses(.bufferOutsideMemory(address, count: length)) { [$0.table([buffer])] }
        }
    }

    @Test("split.framing.driver-writable-last: a readable buffer after a writable one") func readableLast() throws {
        try Self.refuses(.readableAfterWritable) { _ in [Self.writable(next: 1), Self.readable()] }
        try Self.refuses(.readableAfterWritable) { ring in
            [Self.readable(next: 1), Self.writable(next: 2), ring.table([Self.readable()])]
        }
    }

    @Test("split.indirect.driver-chain-limit, split.framing.device-chain-limit: at most the queue's size")
    func chainLimit() throws {
        func entries(_ count: Int) -> [Descriptor] {
            (0..<count).map { Self.readable(next: $0 + 1 < count ? UInt16($0 + 1) : nil) }
        }
        for count in [1, 7, 8] {
            var device = try Device()
            try device.walk([device.ring.table(entries(count))])
            expect(device.segments.readable.count, is: count)
        }
        try Self.refuses(.chainTooLong) { [$0.table(entries(9))] }
        // Seven of the queue and one in the table are as many as the queue is long; the table's own slot is no element.
        var device = try Device()
        let direct = (0..<7).map { Self.readable(next: UInt16($0 + 1)) }
        try device.walk(direct + [device.ring.table(entries(1))])
        expect(device.segments.readable.count, is: 8)
        try Self.refuses(.chainTooLong) { direct + [$0.table(entries(2))] }
    }

    @Test("split.desc.driver-total-length: more than 2^32 bytes, though each buffer lies in memory")
    func chainTooLarge() throws {
        let size = 1 << 30
        let queue = try TestQueue(size: 8, features: [], dataSize: size)
        var reader = try SplitAvailableReader(queue.configuration, memory: queue.map)
        var segments = SegmentList(queueSize: 8)
        let ring = RawSplitRing(queue: queue)
        for index in 0..<5 {
            let length = UInt32(index < 4 ? size : 1)
            ring.set(index, index < 4 ? Self.writable(length, next: UInt16(index + 1)) : Self.writable(length))
        }
        ring.makeAvailable(0)
        let head = try reader.pop()!
        expectBroken(.chainTooLarge) { try reader.walk(from: head, into: &segments) }
        ring.set(3, Self.writable(UInt32(size)))
        try reader.walk(from: head, into: &segments)
        expect(segments.writableBytes, is: 1 << 32)
    }

    @Test(
        "split.indirect.device-mixed-chain, split.indirect.device-ignores-write, split.indirect.device-mixed-directions"
    )
    func directChainEndsInATable() throws {
        for flags in [[], .write] as [RawSplitRing.Flags] {
            var device = try Device()
            var table = device.ring.table([Self.readable(3, next: 1), Self.writable(5, next: 2), Self.writable(6)])
            table.flags.formUnion(flags)
            try device.walk([Self.readable(1, next: 1), Self.readable(2, next: 2), table])
            expect(device.segments.readable.map(\.iov_len), is: [1, 2, 3])
            expect(device.segments.writable.map(\.iov_len), is: [5, 6])
        }
    }

    @Test("split.indirect.device-follows-next: from entry 0 along next, not in order, and not what next leaves out")
    func tableIsFollowedAlongNext() throws {
        var device = try Device()
        let garbage = Descriptor(address: GuestAddress(0xdead_0000), length: .max, flags: [.indirect, .next], next: 99)
        try device.walk([
            device.ring.table([
                Self.readable(1, next: 3), garbage, Self.writable(4), Self.readable(2, next: 4),
                Self.readable(3, next: 2),
            ])
        ])
        expect(device.segments.readable.map(\.iov_len), is: [1, 2, 3])
        expect(device.segments.writable.map(\.iov_len), is: [4])
    }

    @Test("A table needs no alignment (virtio 1.4, 2.7.5.3 asks for none)", arguments: [1, 2, 4, 8, 13])
    func tableAtAnyAddress(_ offset: Int) throws {
        var device = try Device()
        try device.walk([device.ring.table([Self.readable(3, next: 1), Self.writable(5)], at: offset)])
        expect(device.segments.readable.map(\.iov_len), is: [3])
        expect(device.segments.writable.map(\.iov_len), is: [5])
    }

    @Test("A buffer over the border of adjacent regions is whole, in as many segments")
    func bufferOverBorders() throws {
        var device = try Device(borders: [10, 11, 100])
        try device.walk([Self.readable(4096)])
        expect(device.segments.readable.map(\.iov_len), is: [10, 1, 89, 3996])
        expect(device.segments.readableBytes, is: 4096)
    }

    @Test("split.desc.device-table-readonly, split.avail.device-readonly: the device changes neither")
    func deviceWritesOnlyTheUsedRing() throws {
        let queue = try TestQueue(size: 8, features: .eventIndex)
        let ring = RawSplitRing(queue: queue)
        var reader = try SplitAvailableReader(queue.configuration, memory: queue.map)
        var writer = try SplitUsedWriter(queue.configuration, memory: queue.map)
        for index in 0..<8 {
            ring.set(index, Self.writable())
            ring.makeAvailable(UInt16(index))
        }
        let before = [UInt8](ring.descriptorBytes) + [UInt8](ring.availableBytes)
        while let head = try reader.pop() {
            writer.push(head, written: 1)
            _ = writer.needsInterrupt()
            _ = reader.armKicks()
        }
        expect([UInt8](ring.descriptorBytes) + [UInt8](ring.availableBytes), is: before)
        expect(ring.usedIndex, is: 8)
    }

    @Test("split.driver-size-pow2, split.driver-alignment: a ring that cannot be one is refused at set-up")
    func brokenConfiguration() throws {
        let queue = try TestQueue(size: 8, features: [])
        for size: UInt16 in [0, 3, 7, 12, 0x8001, 0xffff] {
            var configuration = queue.configuration
            configuration.size = size
            expectBroken(.badSize(size)) { _ = try SplitAvailableReader(configuration, memory: queue.map) }
        }
        let moves: [(WritableKeyPath<QueueConfiguration, GuestAddress>, UInt64)] = [
            (\.descriptorArea, 8), (\.driverArea, 1), (\.deviceArea, 2), (\.descriptorArea, 1 << 40),
            (\.driverArea, 1 << 40), (\.deviceArea, UInt64(queue.memory.ringSize) & ~63),
        ]
        for (path, offset) in moves {
            var configuration = queue.configuration
            configuration[keyPath: path] = configuration[keyPath: path] + offset
            expectBroken(.ringOutsideMemory) { _ = try SplitAvailableReader(configuration, memory: queue.map) }
            expectBroken(.ringOutsideMemory) { _ = try SplitUsedWriter(configuration, memory: queue.map) }
            expectBroken(.ringOutsideMemory) { _ = try SplitDriverQueue(configuration, memory: queue.map) }
        }
    }
}
