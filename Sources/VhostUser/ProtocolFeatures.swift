/// What front end and back end agree on about their messages (vhost-user, "Protocol features").
public struct ProtocolFeatures: OptionSet, Hashable, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// MQ: the front end can ask how many queues there are.
    public static let multipleQueues = ProtocolFeatures(rawValue: 1 << 0)
    /// REPLY_ACK: any message can ask for an acknowledgement.
    public static let acknowledgements = ProtocolFeatures(rawValue: 1 << 3)
    /// CONFIG: the back end has the device's configuration space.
    public static let configuration = ProtocolFeatures(rawValue: 1 << 9)
    /// RESET_DEVICE: the device can be reset without its connection.
    public static let deviceReset = ProtocolFeatures(rawValue: 1 << 13)
    /// CONFIGURE_MEM_SLOTS: regions of memory come and go one by one.
    public static let memorySlots = ProtocolFeatures(rawValue: 1 << 15)
    /// STATUS: the back end sees the device status field.
    public static let status = ProtocolFeatures(rawValue: 1 << 16)

    /// All that this back end can do.
    public static let offered: ProtocolFeatures = [
        .multipleQueues, .acknowledgements, .configuration, .deviceReset, .memorySlots, .status,
    ]
}
