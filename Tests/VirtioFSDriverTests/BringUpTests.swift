import CKernel
import FUSEWire
import GuestMemory
import Logging
import SystemPackage
import Testing
import Virtio
import VirtioFSDriver
import VirtioTestSupport
import Virtqueue

/// How the driver brings a device up, and whom it refuses (virtio 1.4, 2.1 to 2.5 and 3.1).
struct BringUpTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    @Test("init.driver-order, status.driver-records-progress, init.driver-no-early-kick: each step in its order")
    func order() throws {
        let device = MockDevice { $0.answerZeros() }
        let transport = RecordingTransport(InProcessTransport(device: device))
        let driver = try VirtioFSDriver(transport: transport, logger: Self.quiet)
        defer { driver.shutDown() }
        #expect(
            transport.steps.all == [
                "reset", "status 1", "status 2", "features", "status 8", "queue 0", "queue 1", "status 4",
            ])
        #expect(transport.accepted == [.version1, .indirectDescriptors, .eventIndex])
    }

    @Test(
        "feat.driver-ignores-invalid, feat.driver-tolerates-unknown, feat.driver-subset-of-offer, feat.driver-falls-back"
    )
    func features() throws {
        for offer in [FeatureBits.version1, [.version1, .eventIndex], [.version1, .indirectDescriptors]] {
            var claims = MockDevice.Claims()
            claims.features = offer.union([.fileSystemNotification, FeatureBits(rawValue: 1 << 63 | 1 << 24 | 1 << 5)])
            let device = MockDevice(claims) { $0.answerZeros() }
            let transport = RecordingTransport(InProcessTransport(device: device))
            let driver = try VirtioFSDriver(transport: transport, logger: Self.quiet)
            defer { driver.shutDown() }
            #expect(transport.accepted == offer)
            driver.sessionOpened(with: [])
            for _ in 0..<300 {
                #expect(try driver.call(FUSEMessage.statfs.bytes).count == 80)
                #expect(try driver.call(FUSEMessage.read(size: 8192).bytes).count == 8192)
            }
        }
    }

    /// Devices that can't be used, and what the driver says of them.
    static let refusals: [(DriverError, @Sendable (inout MockDevice.Claims) -> Void)] = [
        (.transport(.notAFileSystem(deviceID: 2)), { $0.deviceID = 2 }),
        (.features(offered: [.indirectDescriptors]), { $0.features = [.indirectDescriptors] }),
        (.configuration, { $0.configuration.removeLast() }),
        (.configuration, { $0.configuration = [] }),
        (.configuration, { $0.configuration[36] = 0 }),
        (.queueTooSmall(2), { $0.queueSizes = [64, 2] }),
        (.queueTooSmall(0), { $0.queueSizes = [64] }),
        (.tag(found: "other"), { $0 = .init(tag: "other") }),
    ]

    @Test(
        "init.driver-sets-failed, init.driver-stops-on-error: a device that can't be used is left FAILED",
        arguments: refusals.indices)
    func refuses(index: Int) throws {
        var claims = MockDevice.Claims()
        Self.refusals[index].1(&claims)
        let device = MockDevice(claims) { $0.answerZeros() }
        let transport = InProcessTransport(device: device)
        var options = DriverOptions()
        options.tag = "mock"
        #expect(throws: Self.refusals[index].0) {
            try VirtioFSDriver(transport: transport, options: options, logger: Self.quiet)
        }
        #expect(transport.status.contains(.failed))
        #expect(!transport.status.contains(.driverOK))
        #expect(device.queue(0) == nil)
    }

    @Test("init.driver-sets-failed: also a device that refuses to serve its queues")
    func queuesRefused() throws {
        var claims = MockDevice.Claims()
        claims.refusesQueues = true
        let transport = InProcessTransport(device: MockDevice(claims) { $0.answerZeros() })
        #expect(throws: DriverError.self) { try VirtioFSDriver(transport: transport, logger: Self.quiet) }
        #expect(transport.status.contains(.failed))
    }

    @Test("fs.config.driver-tag-unterminated: a tag of 36 bytes, and one that is not UTF-8")
    func tags() throws {
        let long = String(repeating: "x", count: 36)
        let device = MockDevice(.init(tag: long)) { $0.answerZeros() }
        let driver = try VirtioFSDriver(transport: InProcessTransport(device: device), logger: Self.quiet)
        #expect(driver.tag == long)
        driver.shutDown()
        var claims = MockDevice.Claims()
        claims.configuration.replaceSubrange(0..<4, with: [0xFF, 0xFE, 0, 0x41])
        let strange = MockDevice(claims) { $0.answerZeros() }
        let other = try VirtioFSDriver(transport: InProcessTransport(device: strange), logger: Self.quiet)
        #expect(other.tag == "\u{FFFD}\u{FFFD}")
        other.shutDown()
    }

    @Test("DESTROY has a number of its own, as every request that is answered: zero is a notification's")
    func uniqueOfDestroy() throws {
        let seen = Journal<UInt64>()
        let test = try DriverUnderTest { chain in
            if chain.header.opcode == Opcode.destroy.rawValue { seen.append(chain.header.unique) }
            chain.answerZeros()
        }
        test.driver.closeSession()
        #expect(seen.count == 1 && seen.all.allSatisfy { $0 != 0 && $0 & 1 == 0 })
    }

    @Test(
        "fs.config.driver-queue-choice: no more queues than the device has, however many it claims", arguments: [1, 3])
    func queueCount(wanted: Int) throws {
        var claims = MockDevice.Claims(requestQueueCount: 3)
        if wanted == 1 { claims.configuration.replaceSubrange(36..<40, with: [0xFF, 0xFF, 0xFF, 0xFF]) }
        var options = DriverOptions()
        options.requestQueueCount = wanted
        let device = MockDevice(claims) { $0.answerZeros() }
        let driver = try VirtioFSDriver(
            transport: InProcessTransport(device: device), options: options, logger: Self.quiet)
        #expect(driver.requestQueueCount == wanted)
        driver.shutDown()
    }
}
