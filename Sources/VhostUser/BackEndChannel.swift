import CKernel
import Logging
import Syscalls
import SystemPackage

/// What a back end asks of a front end, over a connection of its own (vhost-user, "Back-end message types").
enum BackEndRequestCode: UInt32 {
    case ringCall = 4
    case ringError = 5
}

/// The connection for a back end's own requests. A thread sends them and waits for the answers, so that no thread of the
/// device's does.
final class BackEndChannel: @unchecked Sendable {
    struct Request: Hashable {
        let code: BackEndRequestCode
        let queue: Int
    }

    private let stream: MessageStream
    private let acknowledges: Bool
    private let logger: Logger
    private let lock = Lock()
    /// What is to be sent, each once however often it was asked for; guarded by `lock`.
    private var pending: [Request] = []
    private let wake: EventDescriptor
    private let stopping: EventDescriptor
    private var thread: OSThread!

    /// - Parameter acknowledges: whether the front end answers each request (REPLY_ACK).
    init(socket: consuming OwnedDescriptor, acknowledges: Bool, logger: Logger) throws(Errno) {
        stream = MessageStream(socket: socket)
        self.acknowledges = acknowledges
        self.logger = logger
        wake = try EventDescriptor()
        stopping = try EventDescriptor()
        thread = try OSThread(name: "back-end") { [unowned self] in run() }
    }

    /// Has a request sent. From any thread.
    func post(_ request: Request) {
        lock.withLock { if !pending.contains(request) { pending.append(request) } }
        wake.ring()
    }

    /// Ends the thread; what was not sent is dropped.
    func end() {
        stopping.ring()
        thread.join()
    }

    private func run() {
        while !Readiness.wait(readable: [stopping.descriptor, wake.descriptor])[0] {
            wake.wait()
            do throws(ProtocolError) {
                for request in lock.withLock({ () -> [Request] in
                    defer { pending = [] }
                    return pending
                }) { try send(request) }
            } catch {
                logger.error("the front end takes no requests", metadata: ["error": "\(error)"])
                return
            }
        }
    }

    private func send(_ request: Request) throws(ProtocolError) {
        let payload = bytes(of: vhost_vring_state(index: UInt32(request.queue), num: 0))
        let header = MessageHeader(
            request: request.code.rawValue, payloadSize: payload.count, needsReply: acknowledges)
        try stream.send(header, payload, stop: stopping.descriptor)
        guard acknowledges else { return }
        guard let reply = try stream.receive(stop: stopping.descriptor, isDue: true) else { throw .truncated }
        guard reply.header.isReply, reply.header.request == request.code.rawValue else {
            throw .unexpectedReply(reply.header.request)
        }
    }
}

/// Where rings' signals go that travel as messages; the connection for them may come late, and change.
final class InBandSignals: @unchecked Sendable {
    private let lock = Lock()
    /// Guarded by `lock`.
    private var channel: BackEndChannel?

    func post(_ request: BackEndChannel.Request) { lock.withLock { channel }?.post(request) }

    /// Takes a connection, or lets go of the one that there is.
    func set(_ new: BackEndChannel?) {
        let old = lock.withLock { () -> BackEndChannel? in
            defer { channel = new }
            return channel
        }
        old?.end()
    }
}
