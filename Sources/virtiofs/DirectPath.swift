import CKernel
import FUSEWire
import HostDirectory
import KernelMount
import SystemPackage
import VirtioFSDevice
import VirtioFSDriver
import Virtqueue

/// The path without rings: each reader calls the device's session itself. It shows what the virtqueue costs.
final class DirectPath: RequestPath, @unchecked Sendable {
    private let session: FUSESession<HostDirectory>
    /// Set before the first request.
    private var handler: (@Sendable (Reply) -> Void)?

    init(session: FUSESession<HostDirectory>) { self.session = session }

    func open(_ request: [UInt8]) throws(Errno) -> [UInt8] {
        let lane = DirectLane(session: session) { _ in }
        return try lane.call(request)
    }

    func opened(with request: [UInt8]) {}

    func makeLane(_ index: Int) -> DirectLane { DirectLane(session: session, handler: handler!) }

    func onReply(_ handler: @escaping @Sendable (Reply) -> Void) { self.handler = handler }

    func close() { session.end() }
}

/// See ``DirectPath``.
final class DirectLane: RequestLane {
    static var headSize: Int { 80 }
    private static let payloadSize = 1 << 20
    private static let replyHeaderSize = MemoryLayout<fuse_out_header>.size

    private let session: FUSESession<HostDirectory>
    private let handler: (Reply) -> Void
    private let exchange = Exchange(queueSize: 4)
    private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: payloadSize, alignment: 4096)
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: payloadSize + 4096, alignment: 4096)

    init(session: FUSESession<HostDirectory>, handler: @escaping (Reply) -> Void) {
        self.session = session
        self.handler = handler
    }

    deinit {
        input.deallocate()
        output.deallocate()
    }

    func prepare() -> UnsafeMutableRawBufferPointer { input }

    func pause() {}

    func send(head: UnsafeRawBufferPointer, length: Int, lending: Bool) {
        guard let facts = RequestHead(head), let written = serve(head, length), written > 0 else { return }
        let header = output.loadUnaligned(as: fuse_out_header.self)
        let payload = UnsafeRawBufferPointer(rebasing: output[Self.replyHeaderSize..<Int(written)])
        let error = header.error == 0 ? nil : Errno(rawValue: -header.error)
        handler(Reply(id: facts.id, opcode: facts.opcode, error: error, payload: payload))
    }

    /// Serves a request that fits into the head; the reply's payload.
    func call(_ request: [UInt8]) throws(Errno) -> [UInt8] {
        let count = request.withUnsafeBytes { bytes -> UInt32? in
            let rest = bytes.dropFirst(Self.headSize)
            input.copyBytes(from: rest)
            return serve(UnsafeRawBufferPointer(rebasing: bytes.prefix(Self.headSize)), request.count)
        }
        let header = output.loadUnaligned(as: fuse_out_header.self)
        guard let count, header.error == 0 else { throw Errno(rawValue: -header.error) }
        return Array(output[Self.replyHeaderSize..<Int(count)])
    }

    private func serve(_ head: UnsafeRawBufferPointer, _ length: Int) -> UInt32? {
        let headCount = min(head.count, length)
        let first = iovec(iov_base: UnsafeMutableRawPointer(mutating: head.baseAddress!), iov_len: headCount)
        let rest = iovec(iov_base: input.baseAddress, iov_len: length - headCount)
        exchange.segments.replaceAll(
            readable: (first, rest), writable: iovec(iov_base: output.baseAddress, iov_len: output.count))
        return try? session.serve(exchange)
    }
}
