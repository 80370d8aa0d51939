import Testing
import Virtqueue

/// Each half against a peer that does all that it may, though no driver and no device does it: what is legal is served, and
/// served right.
@Suite struct LegalLayoutTests {
    @Test(
        """
        split.framing.device-any-layout, split.indirect.device-mixed-chain, split.indirect.device-ignores-write, \
        packed.sg.device-mixed-ring: the device's half takes every legal chain
        """,
        arguments: QueueKind.all)
    func device(_ kind: QueueKind) throws {
        let queue = try queue(kind)
        var device = try TestDevice(queue, salt: kind.salt)
        if kind.features.contains(.packed) {
            var driver = TestDriver(LegalPackedDriver(queue, salt: kind.salt), queue, salt: kind.salt)
            var random = Generator(~kind.salt)
            try exchange(600, &driver, &device, using: &random)
            expectLayouts(driver.ring.layouts, kind)
        } else {
            var driver = TestDriver(LegalSplitDriver(queue, salt: kind.salt), queue, salt: kind.salt)
            var random = Generator(~kind.salt)
            try exchange(600, &driver, &device, using: &random)
            expectLayouts(driver.ring.layouts, kind)
        }
        expect(device.reader.isEmpty)
    }

    @Test(
        """
        split.used.driver-no-assumption-past-len, packed.used.device-ring-order: the driver's half takes every legal \
        answer, in any order and any number at once
        """,
        arguments: QueueKind.all)
    func driver(_ kind: QueueKind) throws {
        let queue = try queue(kind)
        var driver = try TestDriver(queue, salt: kind.salt)
        try exchangeWithLegalDevice(&driver, queue, kind)
    }

    @Test("The two legal peers understand each other", arguments: QueueKind.all)
    func peers(_ kind: QueueKind) throws {
        let queue = try queue(kind)
        if kind.features.contains(.packed) {
            var driver = TestDriver(LegalPackedDriver(queue, salt: kind.salt), queue, salt: kind.salt)
            try exchangeWithLegalDevice(&driver, queue, kind)
        } else {
            var driver = TestDriver(LegalSplitDriver(queue, salt: kind.salt), queue, salt: kind.salt)
            try exchangeWithLegalDevice(&driver, queue, kind)
        }
    }

    private func queue(_ kind: QueueKind) throws -> TestQueue {
        var random = Generator(kind.salt)
        return try TestQueue.forTraffic(size: kind.size, features: kind.features, using: &random)
    }

    private func exchangeWithLegalDevice<Ring: DriverHalf & ~Copyable>(
        _ driver: inout TestDriver<Ring>, _ queue: TestQueue, _ kind: QueueKind
    ) throws {
        if kind.features.contains(.packed) {
            var device = LegalDevice(LegalPackedDevice(queue), queue, salt: kind.salt)
            var random = Generator(~kind.salt)
            try exchange(600, &driver, &device, using: &random)
            expect(kind.size < 16 || device.largestBatch > 1)
        } else {
            var device = LegalDevice(LegalSplitDevice(queue), queue, salt: kind.salt)
            var random = Generator(~kind.salt)
            try exchange(600, &driver, &device, using: &random)
            expect(kind.size < 16 || device.largestBatch > 1)
        }
    }

    /// All that is possible in a queue of some size has happened in it.
    private func expectLayouts(_ layouts: Set<LegalLayout>, _ kind: QueueKind) {
        guard kind.size >= 16 else { return }
        var expected: Set<LegalLayout> = [.direct, .batch]
        if kind.features.contains(.indirectDescriptors) {
            expected.formUnion(kind.features.contains(.packed) ? [.table] : [.table, .mixed])
        }
        expect(layouts, is: expected)
    }
}
