import Syscalls
import SystemPackage
import Virtio

/// A connection to a back end, as far as the two have agreed on how to go on.
final class FrontEndConnection: Sendable {
    let channel: FrontEndChannel
    /// What the device offers.
    let deviceFeatures: FeatureBits
    /// Features that are the protocol's, to be accepted beside the device's.
    let extraFeatures: FeatureBits
    let protocolFeatures: ProtocolFeatures
    /// Where the back end's own requests arrive, where it has any.
    let requests: BackEndRequests?

    init(socket: consuming OwnedDescriptor, options: FrontEndOptions) throws(FrontEndError) {
        let channel = FrontEndChannel(socket: socket)
        let offered = FeatureBits(rawValue: try channel.askNumber(.getFeatures))
        deviceFeatures = offered.subtracting([BackEndConnection.protocolFeaturesBit, BackEndConnection.logAllBit])
        extraFeatures = offered.intersection(BackEndConnection.protocolFeaturesBit)
        protocolFeatures = extraFeatures.isEmpty ? [] : try Self.negotiate(channel, options.wantedProtocolFeatures)
        try channel.tell(.setOwner)
        requests = protocolFeatures.contains(.backEndRequests) ? try BackEndRequests(tellingOver: channel) : nil
        self.channel = channel
    }

    private static func negotiate(
        _ channel: FrontEndChannel, _ wanted: ProtocolFeatures
    ) throws(FrontEndError) -> ProtocolFeatures {
        let offered = ProtocolFeatures(rawValue: try channel.askNumber(.getProtocolFeatures))
        var agreed = offered.intersection(wanted)
        if !agreed.isSuperset(of: [.backEndRequests, .acknowledgements]) { agreed.remove(.inBandNotifications) }
        try channel.tell(.setProtocolFeatures, bytes(of: agreed.rawValue))
        if agreed.contains(.acknowledgements) { channel.acknowledgeAll() }
        return agreed
    }

    /// How many queues there are, where the back end tells.
    func askQueueCount() throws(FrontEndError) -> Int? {
        guard protocolFeatures.contains(.multipleQueues) else { return nil }
        return Int(clamping: try channel.askNumber(.getQueueCount))
    }

    var usesInBandNotifications: Bool { protocolFeatures.contains(.inBandNotifications) }
}
