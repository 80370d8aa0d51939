/// What a front end knows of a device whose back end has no configuration space (no ``ProtocolFeatures/configuration``):
/// then it is the front end that makes one up, as QEMU does for this device.
public struct FrontEndOptions: Sendable {
    public var tag = "myfs"
    public var requestQueueCount: UInt32 = 1
    /// Has kicks, calls and errors travel as messages, where the back end can do that (vhost-user, "In-band
    /// notifications"): much slower than eventfds.
    public var usesInBandNotifications = false
    /// Has the back end keep records of the chains that it has, so that another can take over when it dies
    /// (``FrontEndTransport/reconnect(to:)``).
    public var keepsInflight = false
    /// Protocol features to do without.
    public var withoutProtocolFeatures: ProtocolFeatures = []

    public init() {}

    /// What to agree on of what the back end can do.
    var wantedProtocolFeatures: ProtocolFeatures {
        var wanted = ProtocolFeatures.offered.subtracting(withoutProtocolFeatures)
        if !usesInBandNotifications { wanted.subtract([.inBandNotifications, .backEndRequests]) }
        if !keepsInflight { wanted.remove(.inflightFile) }
        return wanted
    }
}
