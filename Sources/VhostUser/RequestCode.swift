/// What a front end asks of a back end (vhost-user, "Front-end message types"); the ones that a file system device has
/// a use for.
public enum RequestCode: UInt32, CaseIterable, Sendable {
    case getFeatures = 1
    case setFeatures = 2
    case setOwner = 3
    case resetOwner = 4
    case setMemoryTable = 5
    case setLogBase = 6
    case setLogDescriptor = 7
    case setRingSize = 8
    case setRingAddresses = 9
    case setRingBase = 10
    case getRingBase = 11
    case setRingKick = 12
    case setRingCall = 13
    case setRingError = 14
    case getProtocolFeatures = 15
    case setProtocolFeatures = 16
    case getQueueCount = 17
    case setRingEnable = 18
    case setBackEndConnection = 21
    case getConfiguration = 24
    case setConfiguration = 25
    case getInflight = 31
    case setInflight = 32
    case resetDevice = 34
    case kickRing = 35
    case getMemorySlotCount = 36
    case addMemoryRegion = 37
    case removeMemoryRegion = 38
    case setStatus = 39
    case getStatus = 40

    /// Whether the message has an answer of its own, so that REPLY_ACK changes nothing for it (vhost-user,
    /// "Communication").
    var hasReply: Bool {
        switch self {
        case .getFeatures, .setLogBase, .getRingBase, .getProtocolFeatures, .getQueueCount, .getConfiguration,
            .getInflight, .getMemorySlotCount, .getStatus:
            true
        default: false
        }
    }
}
