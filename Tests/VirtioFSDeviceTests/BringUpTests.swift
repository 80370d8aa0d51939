import CKernel
import FUSEWire
import Testing
import Virtio
import VirtioFSDevice
import VirtioTestSupport

/// Status, features and configuration space, step by step (virtio 1.4, 2.1, 2.2, 2.5, 5.11).
struct BringUpTests {
    @Test("status.device-zero-initially, fs.device-id: a fresh device has status 0 and is device 26")
    func freshDevice() throws {
        let test = try DeviceUnderTest()
        #expect(test.transport.status == [])
        #expect(test.transport.deviceID == 26)
    }

    @Test("status.device-no-consume-early, status.device-no-notify-early: nothing moves before DRIVER_OK")
    func nothingBeforeDriverOK() throws {
        let test = try DeviceUnderTest()
        let driver = test.driver
        driver.acknowledge()
        driver.announce()
        #expect(driver.accept([.version1]))
        let queue = try driver.setUpQueue(1, size: 8)
        let chain = queue.prepare(FUSEMessage.initialize().bytes)
        queue.stage([chain.head])
        queue.publish()
        #expect(test.transport.doorbell(1) == nil)
        #expect(try !queue.hasReturned(chain.head))
        #expect(queue.interrupts.count == 0)
        // A chain that was waiting is served once the driver is ready, kick or no kick for it.
        driver.start()
        queue.kick()
        #expect(try queue.collect(chain).reply?.errno == 0)
    }

    @Test("feat.device-offers-only-supported, feat.device-dependency, fs.feature.device-only-bit0: the offer")
    func offer() throws {
        let test = try DeviceUnderTest()
        let offer = test.transport.deviceFeatures
        #expect(offer.contains(.version1))
        #expect(offer.isSubset(of: [.version1, .indirectDescriptors, .eventIndex, .packedRing]))
    }

    @Test("feat.device-accepts-subsets, feat.device-renegotiation-stable: every subset with VERSION_1, time and again")
    func subsets() throws {
        let test = try DeviceUnderTest()
        for _ in 0..<2 {
            for optional in [[], .indirectDescriptors, .eventIndex, [.indirectDescriptors, .eventIndex]]
                as [FeatureBits]
            {
                try test.open(features: optional.union(.version1))
                #expect(test.transport.status == [.acknowledge, .driver, .featuresOK, .driverOK])
            }
        }
    }

    @Test(
        "feat.device-refuses-features-ok: what was not offered, or lacks VERSION_1, leaves FEATURES_OK clear",
        arguments: [FeatureBits.fileSystemNotification, FeatureBits(rawValue: 1 << 63), FeatureBits(rawValue: 1 << 24)])
    func refusesFeatures(extra: FeatureBits) throws {
        let test = try DeviceUnderTest()
        for features in [extra, extra.union(.version1), [.indirectDescriptors]] {
            test.driver.reset()
            test.driver.acknowledge()
            test.driver.announce()
            #expect(!test.driver.accept(features))
            test.driver.start()
            #expect(!test.transport.status.contains(.driverOK), "DRIVER_OK without FEATURES_OK")
        }
        try test.open()
    }

    @Test("init.driver-features-frozen: features accepted after FEATURES_OK change nothing")
    func featuresAreFrozen() throws {
        let test = try DeviceUnderTest()
        test.driver.acknowledge()
        test.driver.announce()
        #expect(test.driver.accept([.version1]))
        test.transport.acceptFeatures([.version1, .indirectDescriptors])
        let queue = try test.driver.setUpQueue(1, size: 8)
        test.driver.start()
        // An indirect table was not negotiated: this breaks the ring.
        _ = queue.submit(FUSEMessage.initialize().bytes, layout: .indirect)
        #expect(test.driver.waitUntilNeedsReset())
    }

    @Test(
        """
        config.device-little-endian, config.device-readable-early, fs.config.device-layout, \
        fs.config.device-tag-padding, fs.config.device-tag-full-width, fs.config.device-count-complete
        """, arguments: ["m", "ünïcode", String(repeating: "t", count: 36)], [UInt32(1), 3])
    func configuration(tag: String, queues: UInt32) throws {
        let test = try DeviceUnderTest(tag: tag, requestQueues: queues)
        let space = test.transport.readConfiguration(at: 0, count: 64)
        #expect(space.count == 40, "no notify_buf_size without the feature")
        #expect(Array(space[..<tag.utf8.count]) == Array(tag.utf8))
        #expect(space[tag.utf8.count..<36].allSatisfy { $0 == 0 })
        #expect(Array(space[36...]) == [UInt8(queues), 0, 0, 0])
        #expect(test.transport.queueCount == Int(queues) + 1)
        #expect(test.transport.readConfiguration(at: 36, count: 4) == Array(space[36...]))
        #expect(test.transport.readConfiguration(at: 41, count: 1).isEmpty)
        #expect(test.transport.readConfiguration(at: -1, count: 8).isEmpty)
        #expect(test.transport.readConfiguration(at: 38, count: .max).count == 2)
    }

    @Test("fs.config.device-count-nonzero, fs.config.device-tag-utf8: settings that no device may have are refused")
    func badSettings() {
        #expect(DeviceSettings(tag: "t", requestQueueCount: 0) == nil)
        #expect(DeviceSettings(tag: "") == nil)
        #expect(DeviceSettings(tag: "a\0b") == nil)
        #expect(DeviceSettings(tag: String(repeating: "x", count: 37)) == nil)
    }

    @Test("config.device-generation-tracks, config.device-notifies-change: a change moves the generation and is told")
    func generation() throws {
        let test = try DeviceUnderTest()
        let before = test.transport.configurationGeneration
        test.transport.configurationChanged()
        #expect(test.transport.configurationGeneration != before)
        #expect(test.driver.configurationChanges == 1)
    }

    @Test("split.device-size-limit: queue sizes are powers of two up to 32768, and larger or no queues are refused")
    func queueSizes() throws {
        let test = try DeviceUnderTest()
        let largest = test.transport.largestQueueSize(1)
        #expect(largest > 0 && largest <= 32768 && largest & (largest - 1) == 0)
        #expect(test.transport.largestQueueSize(2) == 0)
        #expect(test.transport.largestQueueSize(-1) == 0)
        test.driver.acknowledge()
        test.driver.announce()
        #expect(test.driver.accept([.version1]))
        #expect(throws: TransportError.noSuchQueue(2)) { try test.driver.setUpQueue(2, size: 8) }
        #expect(throws: TransportError.queueSize(largest * 2, largest: largest)) {
            try test.driver.setUpQueue(1, size: largest * 2)
        }
    }

    @Test("status.device-raises-needs-reset: a queue whose size is no power of two can't be served")
    func oddQueueSize() throws {
        let test = try DeviceUnderTest()
        test.driver.acknowledge()
        test.driver.announce()
        #expect(test.driver.accept([.version1]))
        try test.driver.setUpQueue(1, size: 12)
        test.driver.start()
        #expect(test.transport.status.contains(.deviceNeedsReset))
        #expect(test.driver.configurationChanges == 1, "status.device-needs-reset-notifies")
        try test.open()
    }
}
