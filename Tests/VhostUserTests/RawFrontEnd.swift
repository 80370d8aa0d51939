import CKernel
import ServeSupport
import Syscalls
import SystemPackage

@testable import VhostUser

/// A front end that says whatever it is told to, right or wrong.
final class RawFrontEnd {
    private let socket: OwnedDescriptor

    init(_ serve: ServeProcess) throws { socket = try FileDescriptor.connected(to: FilePath(serve.socketPath)) }

    /// Sends bytes as they are; whether the socket took them all.
    @discardableResult
    func send(_ bytes: [UInt8], _ descriptors: [FileDescriptor] = []) -> Bool {
        (try? socket.descriptor.send(bytes, descriptors: descriptors)) == bytes.count
    }

    /// Sends a message.
    @discardableResult
    func send(
        _ code: RequestCode, _ payload: [UInt8] = [], _ descriptors: [FileDescriptor] = [], needsReply: Bool = false
    ) -> Bool {
        let header = MessageHeader(request: code.rawValue, payloadSize: payload.count, needsReply: needsReply)
        return send(bytes(of: header) + payload, descriptors)
    }

    /// The payload of the next reply; nothing when the connection ends, or after ten seconds.
    func reply() -> [UInt8]? {
        guard let header = receive(12) else { return nil }
        let size = header.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8, as: UInt32.self) }
        return size == 0 ? [] : receive(Int(size))
    }

    /// A number as a reply: GET_FEATURES, an acknowledgement.
    func number() -> UInt64? {
        guard let payload = reply(), payload.count == 8 else { return nil }
        return payload.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    }

    /// Whether the back end closes the connection within ten seconds.
    func isClosed() -> Bool {
        while Readiness.wait(readable: [socket.descriptor], milliseconds: 60_000)[0] {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let list = DescriptorList()
            guard let count = try? socket.descriptor.receive(into: &buffer, from: 0, descriptors: list), count > 0
            else { return true }
        }
        return false
    }

    /// Goes on asking and reads no answer; whether the back end cuts it off within twenty seconds.
    func isCutOffWithoutReading() -> Bool {
        let question = bytes(of: MessageHeader(request: RequestCode.getFeatures.rawValue, payloadSize: 0))
        return ServeProcess.wait(seconds: 20, pause: 1000) {
            do throws(Errno) {
                while true { _ = try socket.descriptor.send(question) }
            } catch { return error != .wouldBlock }
        }
    }

    /// Waits until the back end has taken in all that was sent (SIOCOUTQ, unix(7)); false when it closed before that, or
    /// took it in but not within ten seconds.
    func isTakenIn() -> Bool {
        ServeProcess.wait(seconds: 10, pause: 0) {
            var unread: Int32 = 0
            return ck_ioctl(socket.rawValue, UInt(TIOCOUTQ), &unread) == 0 && unread == 0
        }
    }

    /// Throws away what has come so far; false when the connection has ended.
    func drain() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let list = DescriptorList()
        do throws(Errno) {
            while try socket.descriptor.receive(into: &buffer, from: 0, descriptors: list) > 0 {}
            return false
        } catch { return error == .wouldBlock }
    }

    private func receive(_ count: Int) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        let list = DescriptorList()
        var filled = 0
        while filled < count {
            guard Readiness.wait(readable: [socket.descriptor], milliseconds: 60_000)[0],
                let more = try? socket.descriptor.receive(into: &buffer, from: filled, descriptors: list), more > 0
            else { return nil }
            filled += more
        }
        return buffer
    }
}

extension RawFrontEnd {
    static let features: UInt64 = 1 << 32 | 1 << 30 | 1 << 29 | 1 << 28

    /// Agrees on features, with acknowledgements.
    func negotiate(_ features: UInt64 = RawFrontEnd.features) {
        send(.setProtocolFeatures, bytes(of: ProtocolFeatures.offered.rawValue))
        send(.setOwner)
        send(.setFeatures, bytes(of: features))
    }

    /// Sends a message with the wish for an acknowledgement; zero when it was obeyed.
    func acknowledged(_ code: RequestCode, _ payload: [UInt8] = [], _ descriptors: [FileDescriptor] = []) -> UInt64? {
        send(code, payload, descriptors, needsReply: true)
        return number()
    }
}
