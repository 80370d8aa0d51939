import SystemPackage
import Virtqueue

/// What is wrong with what a peer sent.
enum ProtocolError: Error, Equatable {
    // These leave nothing to go on with: where the next message starts is not known, or who sends it is gone.
    /// The peer closed the connection in the middle of a message.
    case truncated
    /// The rest of a message, or room for a reply, did not come in time.
    case stalled
    case version
    case payloadTooLong(UInt32)
    case socket(Errno)
    /// INBAND_NOTIFICATIONS without what it needs; the end of the connection is how to say so (vhost-user, "In-band
    /// notifications").
    case inBandWithoutChannel

    // These are about one whole message.
    case unknownRequest(UInt32)
    /// The request needs a protocol feature that was not agreed on.
    case notNegotiated
    case unexpectedReply(UInt32)
    case payloadSize(UInt32, expected: Int)
    case descriptorCount(Int, expected: Int)
    case featuresNotOffered(UInt64)
    case noSuchQueue(UInt32)
    case queueSize(UInt32, largest: UInt16)
    case queueIsRunning(Int)
    case regionCount(UInt32)
    case regionAlignment
    case regionBeyondFile
    case regionsOverlap
    case noSuchRegion
    case mapping(Errno)
    case addressOutsideMemory(UInt64)
    case ring(RingError)
    case logTooSmall
    case inflightTooSmall
    case readOnlyConfiguration
    case descriptor(Errno)

    /// Whether the connection can't go on, however the peer wants to hear of it.
    var isFatal: Bool {
        switch self {
        case .truncated, .stalled, .version, .payloadTooLong, .socket, .inBandWithoutChannel: true
        default: false
        }
    }
}
