import CKernel
import Virtio

/// What the driver learned of a device.
struct ProbeResult {
    var tag: String
    var requestQueueCount: Int
    var queueSizes: [UInt16]
    var features: FeatureBits
}

extension VirtioFSDriver {
    /// What this driver can use (feat.driver-ignores-invalid: nothing else is ever accepted).
    static func usableFeatures(_ options: DriverOptions) -> FeatureBits {
        let always: FeatureBits = [.version1, .indirectDescriptors, .eventIndex]
        return options.usesPackedRings ? always.union(.packedRing) : always
    }

    /// Brings a device from reset to FEATURES_OK and reads its configuration (virtio 1.4, 3.1.1, steps 1 to 6;
    /// init.driver-order). On an error the device is left FAILED.
    static func negotiate(
        _ transport: any DriverTransport, _ options: DriverOptions
    ) throws(DriverError) -> ProbeResult {
        transport.reset()
        transport.setStatus(.acknowledge)
        transport.setStatus(.driver)
        do throws(DriverError) {
            return try probe(transport, options)
        } catch {
            transport.setStatus(.failed)
            throw error
        }
    }

    private static func probe(
        _ transport: any DriverTransport, _ options: DriverOptions
    ) throws(DriverError) -> ProbeResult {
        guard transport.deviceID == UInt32(VIRTIO_ID_FS) else {
            throw .transport(.notAFileSystem(deviceID: transport.deviceID))
        }
        let offered = transport.deviceFeatures
        guard offered.contains(.version1) else { throw .features(offered: offered) }
        transport.acceptFeatures(offered.intersection(usableFeatures(options)))
        transport.setStatus(.featuresOK)
        // The device may have taken the bit back (init.driver-rechecks-features-ok).
        guard transport.status.contains(.featuresOK) else { throw .features(offered: offered) }

        let (tag, count) = try readConfiguration(transport)
        if let wanted = options.tag, wanted != tag { throw .tag(found: tag) }
        let used = max(1, min(Int(count), options.requestQueueCount))
        let sizes = try (0...used).map { number throws(DriverError) in try queueSize(number, transport, options) }
        return ProbeResult(
            tag: tag, requestQueueCount: used, queueSizes: sizes,
            features: offered.intersection(usableFeatures(options)))
    }

    private static func queueSize(
        _ number: Int, _ transport: any DriverTransport, _ options: DriverOptions
    ) throws(DriverError) -> UInt16 {
        let size = min(transport.largestQueueSize(number), options.queueSize)
        guard size >= 4 else { throw .queueTooSmall(size) }
        return size
    }

    /// `struct virtio_fs_config`: tag and number of request queues. Read again while the generation moves
    /// (config.driver-generation-retry).
    private static func readConfiguration(
        _ transport: any DriverTransport
    ) throws(DriverError) -> (tag: String, requestQueueCount: UInt32) {
        let size = MemoryLayout<virtio_fs_config>.size
        var before: UInt32
        var space: [UInt8]
        repeat {
            before = transport.configurationGeneration
            space = transport.readConfiguration(at: 0, count: size)
        } while before != transport.configurationGeneration
        guard space.count >= size else { throw .configuration }
        // A tag of the full 36 bytes has no terminator (fs.config.driver-tag-unterminated).
        let tagSize = MemoryLayout<virtio_fs_config>.offset(of: \virtio_fs_config.num_request_queues)!
        let tag = String(decoding: space[..<tagSize].prefix { $0 != 0 }, as: UTF8.self)
        let count = space[tagSize...].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard count > 0 else { throw .configuration }
        return (tag, count)
    }
}
