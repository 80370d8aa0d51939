import CKernel
import GuestMemory
import Testing
import Virtqueue

/// Random bytes where a ring should be: whatever they say, nothing outside guest memory is ever named.
@Suite struct FuzzTests {
    @Test(
        "100,000 pops of rings of random bytes",
        arguments: QueueKind.features + QueueKind.features.map { $0.union(.packed) })
    func randomRings(_ features: RingFeatures) throws {
        var random = Generator(Int(features.rawValue) + 100)
        let queue = try TestQueue(size: 16, features: features, dataSize: 8192, borders: [1000, 5000])
        var tally = Tally()
        var segments = SegmentList(queueSize: 16)
        for _ in 0..<800 {
            let start =
                features.contains(.packed) ? UInt16(random.below(16)) : UInt16(truncatingIfNeeded: random.next())
            var reader = try AvailableReader(queue.configuration, memory: queue.map, start: start)
            if features.contains(.packed) {
                Self.scribblePacked(queue, using: &random)
            } else {
                Self.scribble(queue, using: &random)
                RawSplitRing(queue: queue).setAvailableIndex(start &+ UInt16(random.below(20)))
            }
            for _ in 0..<16 { Self.step(&reader, &segments, queue.map, &tally, using: &random) }
        }
        expect(tally.walked > 100, "some of the random chains are whole: \(tally)")
        expect(tally.outside, is: 0)
    }

    private struct Tally {
        var walked = 0
        var refused = 0
        var outside = 0
    }

    private static func step(
        _ reader: inout AvailableReader, _ segments: inout SegmentList, _ map: GuestMemoryMap, _ tally: inout Tally,
        using random: inout Generator
    ) {
        do {
            guard let chain = try reader.pop() else { return }
            try reader.walk(from: chain, into: &segments)
            tally.walked += 1
        } catch { tally.refused += 1 }
        for segment in segments.readable where !isInside(segment, map) { tally.outside += 1 }
        for segment in segments.writable where !isInside(segment, map) { tally.outside += 1 }
        let total = segments.readable.reduce(0) { $0 + $1.iov_len } + segments.writable.reduce(0) { $0 + $1.iov_len }
        if UInt64(total) < segments.readableBytes + segments.writableBytes { tally.outside += 1 }
    }

    private static func isInside(_ segment: iovec, _ map: GuestMemoryMap) -> Bool {
        map.regions.contains { region in
            let offset = segment.iov_base - region.base
            return offset >= 0 && offset < region.size && segment.iov_len <= region.size - offset
        }
    }

    /// Random bytes, with here and there a descriptor that makes some sense, so that walks get further.
    private static func scribble(_ queue: TestQueue, using random: inout Generator) {
        for memory in [queue.memory.ringBytes, .init(start: queue.table(0).pointer, count: 1024)] {
            for index in memory.indices where random.chance(30) {
                memory[index] = UInt8(truncatingIfNeeded: random.next())
            }
        }
        let ring = RawSplitRing(queue: queue)
        for index in 0..<16 {
            if random.chance(80) { ring.set(index, descriptor(queue, allowTables: true, using: &random)) }
            let pointer = queue.table(0).pointer + 16 * index
            if random.chance(80) {
                RawSplitRing.write(descriptor(queue, allowTables: false, using: &random), to: pointer)
            }
            let entry = UInt16(random.below(random.chance(95) ? 16 : 65536))
            ring.availableBytes.storeBytes(of: entry, toByteOffset: 4 + 2 * index, as: UInt16.self)
        }
    }

    private static func scribblePacked(_ queue: TestQueue, using random: inout Generator) {
        for index in queue.memory.ringBytes.indices {
            queue.memory.ringBytes[index] = UInt8(truncatingIfNeeded: random.next())
        }
        let ring = RawPackedRing(queue: queue)
        for index in 0..<16 where random.chance(80) {
            let model = descriptor(queue, allowTables: true, using: &random)
            var flags = RawPackedRing.Flags(rawValue: model.flags.rawValue)
            // The reader starts in the lap in which USED without AVAIL means available, and goes over to the other.
            if random.chance(90) { flags.insert(index < 8 && random.chance(20) ? .available : .used) }
            ring.set(index, .init(address: model.address, length: model.length, id: model.next, flags: flags))
        }
    }

    private static func descriptor(
        _ queue: TestQueue, allowTables: Bool, using random: inout Generator
    ) -> RawSplitRing.Descriptor {
        let length = UInt32(random.below(random.chance(90) ? 2000 : 20000))
        let start = TestMemory.dataStart + UInt64(random.below(8192))
        var descriptor = RawSplitRing.Descriptor(address: start, length: length)
        if random.chance(50) { descriptor.flags.insert(.next) }
        if random.chance(50) { descriptor.flags.insert(.write) }
        if allowTables && random.chance(20) {
            let table = queue.table(0).address + UInt64(16 * random.below(8))
            descriptor = .init(address: table, length: UInt32(16 * random.below(9)), flags: .indirect)
        }
        descriptor.next = UInt16(random.below(random.chance(90) ? 16 : 65536))
        return descriptor
    }
}
