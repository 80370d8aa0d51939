import Syscalls
import SystemPackage

/// Whole messages over a Unix stream socket (vhost-user, "Message Specification").
struct MessageStream: ~Copyable {
    /// How long the rest of a message that has begun, or room for a reply, may take, in milliseconds.
    private static let patience: Int32 = 5000

    private let socket: OwnedDescriptor

    init(socket: consuming OwnedDescriptor) { self.socket = socket }

    var descriptor: FileDescriptor { socket.descriptor }

    /// Takes the next message; waits for it if it is not there yet.
    ///
    /// - Parameters:
    ///   - stop: ends a wait when it is readable.
    ///   - isDue: whether the peer has to send it at once, as a reply.
    /// - Returns: nothing when the peer has closed the connection between two messages.
    func receive(stop: FileDescriptor? = nil, isDue: Bool = false) throws(ProtocolError) -> Message? {
        let descriptors = DescriptorList()
        var head = [UInt8](repeating: 0, count: MessageHeader.size)
        guard try fill(&head, descriptors, mayEnd: !isDue, stop) else { return nil }
        let header = head.withUnsafeBytes { $0.loadUnaligned(as: MessageHeader.self) }
        guard header.hasKnownVersion else { throw .version }
        guard header.payloadSize <= MessageHeader.largestPayload else { throw .payloadTooLong(header.payloadSize) }
        var payload = [UInt8](repeating: 0, count: Int(header.payloadSize))
        if !payload.isEmpty { _ = try fill(&payload, descriptors, mayEnd: false, stop) }
        return Message(header: header, payload: payload, descriptors: descriptors)
    }

    /// Reads until `buffer` is full; false when the connection ends before the first byte, and that may be.
    private func fill(
        _ buffer: inout [UInt8], _ descriptors: DescriptorList, mayEnd: Bool, _ stop: FileDescriptor?
    ) throws(ProtocolError) -> Bool {
        var filled = 0
        while filled < buffer.count {
            guard let received = try receiveSome(&buffer, from: filled, descriptors) else {
                guard try waitForMore(begun: filled > 0 || !mayEnd, stop) else { return false }
                continue
            }
            filled += received
            if received == 0 {
                guard mayEnd, filled == 0 else { throw .truncated }
                return false
            }
        }
        return true
    }

    /// Bytes that were there, zero at the end of the connection; nothing when one has to wait.
    private func receiveSome(
        _ buffer: inout [UInt8], from start: Int, _ descriptors: DescriptorList
    ) throws(ProtocolError) -> Int? {
        do throws(Errno) {
            return try socket.descriptor.receive(into: &buffer, from: start, descriptors: descriptors)
        } catch {
            if error == .wouldBlock { return nil }
            throw Self.failure(error)
        }
    }

    private func waitForMore(begun: Bool, _ stop: FileDescriptor?) throws(ProtocolError) -> Bool {
        let watched = [socket.descriptor] + (stop.map { [$0] } ?? [])
        let ready = Readiness.wait(readable: watched, milliseconds: begun ? Self.patience : nil)
        if ready[0] { return true }
        guard begun else { return false }
        throw .stalled
    }

    /// A peer that died with unread data in its hands has closed, too.
    private static func failure(_ error: Errno) -> ProtocolError {
        error == .connectionReset ? .truncated : .socket(error)
    }

    /// Sends a message.
    func send(
        _ header: MessageHeader, _ payload: [UInt8], descriptors: [FileDescriptor] = [], stop: FileDescriptor? = nil
    ) throws(ProtocolError) {
        let whole = bytes(of: header) + payload
        var sent = 0
        while sent < whole.count {
            if let count = try sendSome(whole, from: sent, sent == 0 ? descriptors : []) {
                sent += count
                continue
            }
            let ready = Readiness.wait(
                readable: stop.map { [$0] } ?? [], writable: socket.descriptor, milliseconds: Self.patience)
            guard ready.last == true else { throw .stalled }
        }
    }

    /// Bytes that there was room for; nothing when one has to wait.
    private func sendSome(
        _ whole: [UInt8], from start: Int, _ descriptors: [FileDescriptor]
    ) throws(ProtocolError) -> Int? {
        do throws(Errno) {
            return try socket.descriptor.send(whole, from: start, descriptors: descriptors)
        } catch {
            if error == .wouldBlock { return nil }
            throw Self.failure(error)
        }
    }
}
