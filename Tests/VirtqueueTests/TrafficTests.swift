import Testing
import Virtqueue

/// A kind of queue that traffic is run over.
struct QueueKind: CustomTestStringConvertible {
    var size: UInt16
    var features: RingFeatures

    var testDescription: String {
        let names: [(RingFeatures, String)] = [
            (.indirectDescriptors, "indirect"), (.eventIndex, "event index"), (.packed, "packed"),
        ]
        return (["\(size)"] + names.filter { features.contains($0.0) }.map(\.1)).joined(separator: ", ")
    }

    static let features: [RingFeatures] = [
        [], .indirectDescriptors, .eventIndex, [.indirectDescriptors, .eventIndex],
    ]

    static let split = [1, 2, 4, 8, 16, 64, 256, 1024].flatMap { size in
        features.map { QueueKind(size: UInt16(size), features: $0) }
    }

    static let packed = [1, 2, 3, 7, 16, 64, 100, 1024].flatMap { size in
        features.map { QueueKind(size: UInt16(size), features: $0.union(.packed)) }
    }

    static let all = split + packed

    /// Tells the generators of the kinds apart.
    var salt: Int { Int(size) << 8 | Int(features.rawValue) }
}

/// Has a driver send requests and a device answer them, by turns of any length, until all are answered; and checks that all
/// is free again.
func exchange<Ring: DriverHalf & ~Copyable, Device: AnsweringDevice & ~Copyable>(
    _ requests: Int, _ driver: inout TestDriver<Ring>, _ device: inout Device, using random: inout Generator
) throws {
    while driver.answeredCount < requests && driver.failure == nil {
        for _ in 0..<random.below(8) where driver.sentCount < requests { _ = driver.send() }
        for _ in 0..<random.below(8) { _ = try device.take() }
        for _ in 0..<random.below(8) where !device.isIdle { try device.serve() }
        for _ in 0..<random.below(8) { _ = try driver.receive() }
    }
    expect(driver.failure, is: nil)
    expect(driver.ring.freeCount, is: driver.ring.size)
    expect(!driver.ring.hasUsed)
    expect(device.isIdle)
    expect(driver.inFlight, is: 0)
}

/// Driver half and device half meet only in shared memory: whatever the traffic, each request is answered once, with
/// the right bytes.
@Suite struct TrafficTests {
    @Test(
        """
        split.framing.device-any-layout, split.used.device-id-is-head, split.used.driver-no-assumption-past-len, \
        packed.device-size-any, packed.used.device-ring-order, packed.chain.driver-tracks-length, \
        packed.sg.device-mixed-ring, packed.sg.device-list-order
        """,
        arguments: QueueKind.all)
    func randomTrafficIsAnswered(_ kind: QueueKind) throws {
        try run(kind, requests: 600)
    }

    @Test(
        "split.avail.driver-index-origin, split.used.device-index-origin: indexes run free past 65,536",
        arguments: [
            QueueKind(size: 4, features: []), QueueKind(size: 4, features: [.indirectDescriptors, .eventIndex]),
            QueueKind(size: 5, features: [.packed, .eventIndex]),
        ])
    func indexesWrap(_ kind: QueueKind) throws {
        try run(kind, requests: 70_000)
    }

    @Test("The same traffic over a split and a packed ring gives the same bytes", arguments: QueueKind.split)
    func splitAndPackedAgree(_ kind: QueueKind) throws {
        var packed = kind
        packed.features.insert(.packed)
        expect(try run(kind, requests: 150), is: try run(packed, requests: 150, salt: kind.salt))
    }

    /// Runs traffic that the salt alone decides; what guest memory then holds.
    @discardableResult
    private func run(_ kind: QueueKind, requests: Int, salt: Int? = nil) throws -> [UInt8] {
        let salt = salt ?? kind.salt
        var random = Generator(salt)
        let queue = try TestQueue.forTraffic(size: kind.size, features: kind.features, using: &random)
        var driver = try TestDriver(queue, salt: salt)
        var device = try TestDevice(queue, salt: salt)
        try exchange(requests, &driver, &device, using: &random)
        expect(device.reader.isEmpty)
        return queue.memory.dataBytes
    }

    @Test(
        "split.indirect.driver-chain-limit: a chain that does not fit changes nothing, neither the ring nor the driver",
        arguments: QueueKind.all.filter { $0.size <= 64 })
    func fullRingRefusesAndStaysAsItWas(_ kind: QueueKind) throws {
        var random = Generator(kind.salt ^ 0x0f00)
        let queue = try TestQueue.forTraffic(size: kind.size, features: kind.features, using: &random)
        var driver = try TestDriver(queue, salt: kind.salt)
        var device = try TestDevice(queue, salt: kind.salt)
        for _ in 0..<20 {
            while driver.send() {}
            while driver.ring.freeCount > 0 { expect(driver.fillLastRoom()) }
            let before = [UInt8](queue.memory.ringBytes)
            for _ in 0..<3 { expect(!driver.ring.add(readable: [.init(TestMemory.dataStart, count: 1)], token: 77)) }
            expect(before == [UInt8](queue.memory.ringBytes))
            expect(driver.ring.freeCount, is: 0)
            while try device.take() {}
            while !device.isIdle { try device.answer() }
            while try driver.receive() {}
        }
        expect(driver.failure, is: nil)
        expect(driver.ring.freeCount, is: kind.size)
    }
}
