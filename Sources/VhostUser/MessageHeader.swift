/// The first twelve bytes of every message, in the machine's own byte order (vhost-user, "Header").
struct MessageHeader: BitwiseCopyable {
    /// Bytes of the payload at most: no message that is defined comes near it.
    static let largestPayload = 4096
    static let size = 12

    private static let version: UInt32 = 1
    private static let versionMask: UInt32 = 0x3
    private static let replyFlag: UInt32 = 0x4
    private static let needReplyFlag: UInt32 = 0x8

    /// A ``RequestCode``, or something else.
    let request: UInt32
    private let flags: UInt32
    /// Bytes of the payload.
    let payloadSize: UInt32

    init(request: UInt32, payloadSize: Int, isReply: Bool = false, needsReply: Bool = false) {
        self.request = request
        flags = Self.version | (isReply ? Self.replyFlag : 0) | (needsReply ? Self.needReplyFlag : 0)
        self.payloadSize = UInt32(payloadSize)
    }

    var hasKnownVersion: Bool { flags & Self.versionMask == Self.version }
    var isReply: Bool { flags & Self.replyFlag != 0 }
    /// Whether the sender waits for an acknowledgement (vhost-user, "VHOST_USER_PROTOCOL_F_REPLY_ACK").
    var needsReply: Bool { flags & Self.needReplyFlag != 0 }
}
