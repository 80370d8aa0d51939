/// What front end and back end agree on about their messages (vhost-user, "Protocol features").
public struct ProtocolFeatures: OptionSet, Hashable, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// MQ: the front end can ask how many queues there are.
    public static let multipleQueues = ProtocolFeatures(rawValue: 1 << 0)
    /// LOG_SHMFD: the log of written pages is in a file of the front end's.
    public static let logFile = ProtocolFeatures(rawValue: 1 << 1)
    /// REPLY_ACK: any message can ask for an acknowledgement.
    public static let acknowledgements = ProtocolFeatures(rawValue: 1 << 3)
    /// BACKEND_REQ: the back end has a connection for requests of its own.
    public static let backEndRequests = ProtocolFeatures(rawValue: 1 << 5)
    /// CONFIG: the back end has the device's configuration space.
    public static let configuration = ProtocolFeatures(rawValue: 1 << 9)
    /// INFLIGHT_SHMFD: which chains are in flight is kept in a file that outlives the back end.
    public static let inflightFile = ProtocolFeatures(rawValue: 1 << 12)
    /// RESET_DEVICE: the device can be reset without its connection.
    public static let deviceReset = ProtocolFeatures(rawValue: 1 << 13)
    /// INBAND_NOTIFICATIONS: kicks, calls and errors can be messages.
    public static let inBandNotifications = ProtocolFeatures(rawValue: 1 << 14)
    /// CONFIGURE_MEM_SLOTS: regions of memory come and go one by one.
    public static let memorySlots = ProtocolFeatures(rawValue: 1 << 15)
    /// STATUS: the back end sees the device status field.
    public static let status = ProtocolFeatures(rawValue: 1 << 16)

    /// All that this back end can do.
    public static let offered: ProtocolFeatures = [
        .multipleQueues, .logFile, .acknowledgements, .backEndRequests, .configuration, .inflightFile, .deviceReset,
        .inBandNotifications, .memorySlots, .status,
    ]
}
