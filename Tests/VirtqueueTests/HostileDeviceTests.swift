import GuestMemory
import Testing
import Virtqueue

/// What a wrong or hostile device may return, and that it never leads the driver half astray.
@Suite struct HostileDeviceTests {
    /// A driver half with chains of 8 writable bytes in flight.
    private static func driver(chains: Int, size: UInt16 = 8) throws -> Driver { try Driver(size, chains: chains) }

    private struct Driver: ~Copyable {
        let raw: RawSplitRing
        var ring: SplitDriverQueue

        init(_ size: UInt16, chains: Int) throws {
            let queue = try TestQueue(size: size, features: [])
            let ring = try SplitDriverQueue(queue.configuration, memory: queue.map)
            self.ring = ring
            raw = RawSplitRing(queue: queue)
            for token in 0..<chains { expect(self.ring.add(writable: [Self.buffer], token: UInt32(token))) }
        }

        static let buffer = GuestBuffer(TestMemory.dataStart, count: 8)
    }

    @Test("split.used.device-id-is-head: an id that is not in flight", arguments: [2, 7, 8, 0x8000, 0x1_0000, .max])
    func unknownID(_ id: UInt32) throws {
        var driver = try Self.driver(chains: 2)
        driver.raw.use(id, written: 0)
        expectBroken(.unknownUsedID(id)) { _ = try driver.ring.popUsed() }
        expectBroken(.unknownUsedID(id)) { _ = try driver.ring.popUsed() }
        expect(driver.ring.freeCount, is: 6)
    }

    @Test("split.used.device-id-is-head: an id returned twice") func returnedTwice() throws {
        var driver = try Self.driver(chains: 2)
        driver.raw.use(1, written: 3)
        driver.raw.use(1, written: 3)
        let first = try driver.ring.popUsed()
        expect(first?.token, is: 1)
        expect(first?.written, is: 3)
        expectBroken(.unknownUsedID(1)) { _ = try driver.ring.popUsed() }
    }

    @Test("An id from the middle of a chain") func middleOfAChain() throws {
        var driver = try Self.driver(chains: 0)
        expect(driver.ring.add(writable: [Driver.buffer, Driver.buffer, Driver.buffer], token: 5))
        driver.raw.use(1, written: 0)
        expectBroken(.unknownUsedID(1)) { _ = try driver.ring.popUsed() }
    }

    @Test("A length above what the chain can hold", arguments: [9, 16, 0x8000_0000, .max]) func tooLong(
        _ written: UInt32
    ) throws {
        var driver = try Self.driver(chains: 1)
        driver.raw.use(0, written: written)
        expectBroken(.writtenTooMuch(written)) { _ = try driver.ring.popUsed() }
        expect(driver.ring.add(readable: [Driver.buffer], token: 9))
        driver.raw.setUsedIndex(0)
        driver.raw.use(1, written: 1)
        expectBroken(.writtenTooMuch(1)) { _ = try driver.ring.popUsed() }
    }

    @Test("A used index that jumps or goes back", arguments: [9, 0x7fff, 0x8000, 0xffff]) func indexJumps(
        _ index: UInt16
    ) throws {
        var driver = try Self.driver(chains: 8)
        driver.raw.setUsedIndex(index)
        expectBroken(.indexJump(from: 0, to: index)) { _ = try driver.ring.popUsed() }
    }

    @Test("A device that scribbles over all it can reach cannot make the driver forget or repeat a descriptor")
    func scribblingDevice() throws {
        var random = Generator(11)
        let queue = try TestQueue(size: 16, features: .indirectDescriptors)
        let raw = RawSplitRing(queue: queue)
        var ring = try SplitDriverQueue(queue.configuration, memory: queue.map)
        var inFlight: [(head: UInt32, token: UInt32, length: UInt16)] = []
        for token in 0..<UInt32(5000) {
            let position = Int(raw.availableIndex) % 16
            let count = 1 + random.below(5)
            let buffers = Array(repeating: GuestBuffer(TestMemory.dataStart, count: 4), count: count)
            let isIndirect = random.chance(30)
            let before = ring.freeCount
            if ring.add(writable: buffers, table: isIndirect ? queue.table(0) : nil, token: token) {
                let entry = 4 + 2 * position
                let head = raw.availableBytes.loadUnaligned(fromByteOffset: entry, as: UInt16.self)
                inFlight.append((UInt32(head), token, isIndirect ? 1 : UInt16(count)))
                expect(before - ring.freeCount, is: isIndirect ? 1 : UInt16(count))
            }
            for index in raw.descriptorBytes.indices {
                raw.descriptorBytes[index] = UInt8(truncatingIfNeeded: random.next())
            }
            for index in 4..<raw.availableBytes.count {
                raw.availableBytes[index] = UInt8(truncatingIfNeeded: random.next())
            }
            guard !inFlight.isEmpty, random.chance(60) || ring.freeCount < 5 else { continue }
            let done = inFlight.remove(at: random.below(inFlight.count))
            raw.use(done.head, written: 4)
            let free = ring.freeCount
            expect(try ring.popUsed()?.token, is: done.token)
            expect(ring.freeCount - free, is: done.length)
            expect(ring.freeCount + inFlight.reduce(0) { $0 + $1.length }, is: 16)
            expect(Set(inFlight.map(\.head)).count, is: inFlight.count)
        }
    }

    @Test("split.used.driver-readonly: the driver never writes the used ring") func driverWritesNoUsedRing() throws {
        var driver = try Self.driver(chains: 4)
        for index in 0..<3 { driver.raw.use(UInt32(index), written: 1) }
        let before = [UInt8](driver.raw.usedBytes)
        while try driver.ring.popUsed() != nil {}
        driver.ring.suppressInterrupts()
        _ = driver.ring.armInterrupts()
        _ = driver.ring.needsKick()
        expect([UInt8](driver.raw.usedBytes), is: before)
    }
}
