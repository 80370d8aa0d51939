import CKernel

/// What a device is set up with.
public struct DeviceSettings: Sendable {
    /// The name by which a driver finds the file system: 1 to 36 bytes of UTF-8 (virtio 1.4, 5.11.4).
    public let tag: String
    /// Request queues beside the hiprio queue; at least one.
    public let requestQueueCount: UInt32
    public var largestQueueSize: UInt16 = 1024
    public var limits = FUSELimits()
    public var service = ServiceOptions()

    /// Nothing where the tag or the number of queues is not one that a device may have.
    public init?(tag: String, requestQueueCount: UInt32 = 1) {
        guard Self.isValid(tag: tag), requestQueueCount > 0, requestQueueCount < 1024 else { return nil }
        self.tag = tag
        self.requestQueueCount = requestQueueCount
    }

    /// Whether `tag` fits the field of the configuration space. A NUL would end it there, so it can't hold one.
    public static func isValid(tag: String) -> Bool {
        !tag.isEmpty && tag.utf8.count <= tagSize && !tag.utf8.contains(0)
    }

    /// Bytes of the tag field, which has no terminator (virtio 1.4, 5.11.4).
    static let tagSize = 36

    /// `struct virtio_fs_config` of linux/virtio_fs.h: the tag padded with zeros, then the number of request queues,
    /// little-endian (fs.config.device-layout).
    var configurationSpace: [UInt8] {
        var space = Array(tag.utf8)
        space.append(contentsOf: repeatElement(0, count: Self.tagSize - space.count))
        withUnsafeBytes(of: requestQueueCount.littleEndian) { space.append(contentsOf: $0) }
        return space
    }
}
