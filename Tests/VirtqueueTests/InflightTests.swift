import GuestMemory
import Syscalls
import Testing

@testable import Virtqueue

/// A device that dies and another that takes over what it had in its hands (vhost-user, "Inflight I/O tracking").
@Suite struct InflightTests {
    static let kinds = QueueKind.all.filter { $0.size >= 4 && $0.size <= 100 }

    /// Memory that outlives devices.
    private struct Records {
        let region: InflightRegion
        let memory: GuestRegion

        init(_ kind: QueueKind) throws {
            // Not the first region of its file.
            let size = InflightRegion.size(of: kind.size, features: kind.features)
            let file = try MemoryFile(name: "inflight", size: 64 + size)
            memory = try GuestRegion(start: GuestAddress(0), keeping: file)
            region = InflightRegion(in: memory, offset: 64)
        }

        var bytes: UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(start: memory.base, count: memory.size)
        }
    }

    @Test(
        "Traffic over devices that die in the middle of it: each request is answered once, with the right bytes",
        arguments: kinds)
    func devicesDie(_ kind: QueueKind) throws {
        var random = Generator(kind.salt ^ 0x1f11)
        let records = try Records(kind)
        let queue = try TestQueue.forTraffic(size: kind.size, features: kind.features, using: &random)
        var driver = try TestDriver(queue, salt: kind.salt)
        var device = try TestDevice(queue, salt: kind.salt, inflight: records.region)
        while driver.answeredCount < 400 && driver.failure == nil {
            for _ in 0..<random.below(8) where driver.sentCount < 400 { _ = driver.send() }
            for _ in 0..<random.below(8) { _ = try device.take() }
            for _ in 0..<random.below(8) where !device.isIdle { try device.answer() }
            for _ in 0..<random.below(8) { _ = try driver.receive() }
            guard random.chance(20) else { continue }
            let (held, next) = (device.taken, device.reader.nextAvailable)
            // Who starts the ring again has no idea of how far the old device was.
            device = try TestDevice(queue, salt: random.below(1 << 30), inflight: records.region)
            expect(device.taken.map(\.id), is: held.map(\.id))
            expect(device.reader.nextAvailable, is: next)
        }
        expect(driver.failure, is: nil)
        expect(driver.ring.freeCount, is: kind.size)
        expect(driver.inFlight, is: 0)
    }

    @Test(
        "A device that dies while it returns a chain: another returns it if the driver does not have it, and only then",
        arguments: kinds, [false, true])
    func diesWhileReturning(_ kind: QueueKind, isReturned: Bool) throws {
        var random = Generator(kind.salt ^ 0x1f12)
        let records = try Records(kind)
        let queue = try TestQueue.forTraffic(size: kind.size, features: kind.features, using: &random)
        var driver = try TestDriver(queue, salt: kind.salt)
        var device = try TestDevice(queue, salt: kind.salt, inflight: records.region)
        while driver.send() {}
        while try device.take() {}
        let held = device.taken
        let before = [UInt8](queue.memory.ringBytes)
        let chain = try device.answer()
        // The ring as it was before or as it is after; the records as they are just between those two.
        restoreRecordsBeforeEnd(of: chain, kind, records, queue)
        if !isReturned { queue.memory.ringBytes.copyBytes(from: before) }
        device = try TestDevice(queue, salt: kind.salt, inflight: records.region)
        let expected = held.filter { !isReturned || $0 != chain }.map(\.id)
        expect(device.taken.map(\.id), is: expected)
        while !device.isIdle { try device.answer() }
        while try driver.receive() {}
        expect(driver.failure, is: nil)
        expect(driver.inFlight, is: 0)
    }

    /// Takes back what a device writes into its records after the driver can see the chain.
    private func restoreRecordsBeforeEnd(
        of chain: PoppedChain, _ kind: QueueKind, _ records: Records, _ queue: TestQueue
    ) {
        let region = records.region
        if kind.features.contains(.packed) {
            // old_free_head, old_used_idx and old_used_wrap_counter still say what they said at the beginning.
            region.half(14).store(kind.size)
            region.half(18).store(0)
            region.half(20).store(region.half(20).load() | 0x100)
            for index in 0..<Int(kind.size) where index == firstEntry(region) {
                region.setBytes(at: InflightRegion.Head.packedSize + 32 * index, true)
            }
        } else {
            region.half(14).store(region.half(14).load() &- 1)
            region.setBytes(at: InflightRegion.Head.size + 16 * Int(chain.id), true)
        }
    }

    private func firstEntry(_ region: InflightRegion) -> Int { Int(region.half(12).load()) }

    @Test("Records of another kind of queue, or of nothing known, are refused")
    func refuses() throws {
        let kind = QueueKind(size: 16, features: [])
        let records = try Records(kind)
        let queue = try TestQueue(size: 16, features: [])
        records.region.half(8).store(1)
        records.region.half(10).store(8)
        expectBroken(.badSize(8)) { _ = try TestDevice(queue, salt: 1, inflight: records.region) }
        records.region.half(8).store(2)
        expectBroken(.badInflightRegion) { _ = try TestDevice(queue, salt: 1, inflight: records.region) }
    }

    @Test("Records full of nonsense harm nobody", arguments: kinds)
    func nonsense(_ kind: QueueKind) throws {
        var random = Generator(kind.salt ^ 0x1f13)
        let records = try Records(kind)
        let queue = try TestQueue(size: kind.size, features: kind.features)
        var tookOver = 0
        for _ in 0..<300 {
            let isNear = random.chance(70)
            let density = random.below(12)
            for index in records.bytes.indices {
                records.bytes[index] =
                    isNear
                    ? (random.chance(density) ? UInt8(random.below(Int(kind.size) + 2)) : 0)
                    : UInt8(truncatingIfNeeded: random.next())
            }
            records.region.half(8).store(1)
            records.region.half(10).store(kind.size)
            do throws(RingError) {
                let reader = try AvailableReader(queue.configuration, memory: queue.map, inflight: records.region)
                let writer = reader.usedWriter()
                let chains = reader.leftOver
                expect(chains.count <= Int(kind.size))
                var segments = SegmentList(queueSize: kind.size)
                for chain in chains {
                    _ = try? reader.walk(from: chain, into: &segments)
                    writer.push(chain, written: 0)
                }
                tookOver += 1
            } catch {
                expect(error == .badInflightRegion, "\(error)")
            }
        }
        expect(tookOver > 0)
    }
}
