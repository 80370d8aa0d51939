import Syscalls
public import SystemPackage

/// The front end's half of a connection: requests out, replies in, one at a time.
final class FrontEndChannel: @unchecked Sendable {
    private let lock = Lock()
    private let stream: MessageStream
    /// Guarded by `lock`.
    private var acknowledges = false
    private var hasFailed = false

    init(socket: consuming OwnedDescriptor) { stream = MessageStream(socket: socket) }

    /// Readable when the back end has closed the connection, and while a reply is on its way.
    var descriptor: FileDescriptor { stream.descriptor }

    /// Whether a request went wrong, so that nothing more can be asked.
    var isBroken: Bool { lock.withLock { hasFailed } }

    /// From here on each message asks for an acknowledgement (vhost-user, "VHOST_USER_PROTOCOL_F_REPLY_ACK").
    func acknowledgeAll() { lock.withLock { acknowledges = true } }

    /// Sends a message that has no reply of its own, and waits until it has been obeyed where the back end tells.
    func tell(
        _ code: RequestCode, _ payload: [UInt8] = [], descriptors: [FileDescriptor] = []
    ) throws(FrontEndError) {
        let answer = try exchange(code, payload, descriptors, wantsReply: false)
        if let answer, answer.payload.contains(where: { $0 != 0 }) { throw .refused(code) }
    }

    /// Sends a message and waits for its reply.
    func ask(
        _ code: RequestCode, _ payload: [UInt8] = [], descriptors: [FileDescriptor] = []
    ) throws(FrontEndError) -> Message {
        guard let reply = try exchange(code, payload, descriptors, wantsReply: true) else { throw .disconnected }
        return reply
    }

    /// A question whose answer is one number.
    func askNumber(_ code: RequestCode) throws(FrontEndError) -> UInt64 {
        let payload = try ask(code).payload
        guard payload.count == 8 else { throw .reply(code) }
        return payload.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    }

    private func exchange(
        _ code: RequestCode, _ payload: [UInt8], _ descriptors: [FileDescriptor], wantsReply: Bool
    ) throws(FrontEndError) -> Message? {
        try lock.withLock { () throws(FrontEndError) in
            guard !hasFailed else { throw .disconnected }
            let header = MessageHeader(
                request: code.rawValue, payloadSize: payload.count, needsReply: acknowledges && !wantsReply)
            do throws(ProtocolError) {
                try stream.send(header, payload, descriptors: descriptors)
                guard wantsReply || acknowledges else { return nil }
                guard let message = try stream.receive() else { throw .truncated }
                guard message.header.isReply, message.header.request == code.rawValue else {
                    throw .unexpectedReply(message.header.request)
                }
                return message
            } catch {
                hasFailed = true
                throw .disconnected
            }
        }
    }
}

/// Why a back end can't be used.
public enum FrontEndError: Error, Equatable, Sendable {
    case system(Errno)
    /// The connection has ended, or what came over it was no reply.
    case disconnected
    /// The back end did not do what a message asked for.
    case refused(RequestCode)
    /// A reply has not the form that it should have.
    case reply(RequestCode)
}
