import CKernel
import Syscalls
import SystemPackage

/// The connection over which a back end asks its front end for something (vhost-user, "Back-end communication"), at the
/// front end's side.
final class BackEndRequests: Sendable {
    private let stream: MessageStream

    /// Makes the connection and gives the back end its end of it.
    init(tellingOver channel: FrontEndChannel) throws(FrontEndError) {
        let pair: (ours: FileDescriptor, theirs: FileDescriptor)
        do throws(Errno) { pair = try FileDescriptor.socketPair() } catch { throw .system(error) }
        stream = MessageStream(socket: OwnedDescriptor(owning: pair.ours))
        let theirs = OwnedDescriptor(owning: pair.theirs)
        try channel.tell(.setBackEndConnection, descriptors: [theirs.descriptor])
    }

    /// Readable when there is a request.
    var descriptor: FileDescriptor { stream.descriptor }

    /// Takes a request and answers it; which ring it is about, and nothing where the back end has ended the connection or
    /// sent what is none.
    func takeRingRequest() -> (code: BackEndRequestCode, queue: Int)? {
        do throws(ProtocolError) {
            guard let message = try stream.receive(isDue: true) else { return nil }
            guard let code = BackEndRequestCode(rawValue: message.header.request) else { return nil }
            let state = try message.decode(vhost_vring_state.self)
            if message.header.needsReply {
                let reply = bytes(of: UInt64(0))
                let header = MessageHeader(request: code.rawValue, payloadSize: reply.count, isReply: true)
                try stream.send(header, reply)
            }
            return (code, Int(state.index))
        } catch {
            return nil
        }
    }
}
