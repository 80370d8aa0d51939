import CKernel
import FUSEWire
import HostDirectory
import ServeSupport
import SystemPackage
import Testing
import VirtioFSDevice
import VirtioTestSupport
import Virtqueue

@testable import Tracing

/// Recordings of a real guest (Fixtures/recordings): the device takes all that Linux says.
@Suite struct DecoderTests {
    /// The decoder goes from front to back. Who needs the last byte has read all of them.
    @Test(
        "The decoder reads every byte of Linux's requests: each is taken whole, and refused without its last byte",
        arguments: RecordedShare.names)
    func everyByte(name: String) throws {
        let listener = try Listener(share: try RecordedShare.make())
        var reader = try RecordingReader(path: FilePath(RecordedShare.path(name)))
        var counts: [Opcode: Int] = [:]
        while let exchange = reader.next() {
            let opcode = try #require(self.opcode(of: exchange.request))
            let number = "\(opcode), number \(counts.values.reduce(0, +))"
            counts[opcode, default: 0] += 1
            if opcode == .initialize {
                // What is behind the second word of flags has no meaning yet, and longer ones are to come.
                #expect(exchange.request.dropFirst(40 + 20).allSatisfy { $0 == 0 })
            } else {
                #expect(try !listener.takes(opcode, shortened(exchange.request)), "\(number)")
            }
            #expect(try listener.takes(opcode, exchange.request), "\(number)")
        }
        #expect(reader.error == nil)
        #expect(Set(counts.keys).isSuperset(of: [.initialize, .lookup, .forget, .write, .create, .setattr, .destroy]))
    }

    private func opcode(of request: [UInt8]) -> Opcode? {
        Opcode(rawValue: request.withUnsafeBytes { $0.loadUnaligned(as: fuse_in_header.self) }.opcode)
    }

    private func shortened(_ request: [UInt8]) -> [UInt8] {
        var short = Array(request.dropLast())
        withUnsafeBytes(of: UInt32(short.count)) { short.replaceSubrange(0..<4, with: $0) }
        return short
    }
}

/// A session without rings, of which nothing but LOOKUP of its own gets beyond the decoder.
private final class Listener {
    private static let ownRequest: UInt64 = .max
    private let share: TemporaryFolder
    private let files: HostDirectory
    private let session: FUSESession<HookedFileSystem<HostDirectory>>
    private let exchange = Exchange(queueSize: 8)
    private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 << 20, alignment: 8)

    init(share: TemporaryFolder) throws {
        self.share = share
        files = try HostDirectory(path: share.path)
        session = FUSESession(
            files: HookedFileSystem(files) { _, request throws(Errno) in
                guard request.header.unique == Self.ownRequest else { throw .noFunction }
            })
    }

    deinit { room.deallocate() }

    /// Whether the request has got through the decoder.
    func takes(_ opcode: Opcode, _ request: [UInt8]) throws -> Bool {
        switch opcode {
        case .forget: return try forgets(request, at: 16)
        case .batchForget: return try forgets(request, at: 48)
        case .initialize, .destroy:
            let error = try serve(request)
            #expect(error == 0 || error == EINVAL)
            return error == 0
        default:
            let error = try serve(request)
            #expect(error == ENOSYS || error == EINVAL)
            return error == ENOSYS
        }
    }

    /// A FORGET has no answer, but a node that is looked up once is gone behind it.
    ///
    /// - Parameter offset: where a node is named.
    private func forgets(_ request: [UInt8], at offset: Int) throws -> Bool {
        let lookup = FUSEMessage(.lookup).with(name: "hello.txt")
        var message = lookup
        message.header.unique = Self.ownRequest
        try #require(serve(message.bytes) == 0)
        try #require(files.lookupCount == 1)
        let node = room.loadUnaligned(fromByteOffset: 16, as: fuse_entry_out.self).nodeid
        var request = request
        withUnsafeBytes(of: node) { request.replaceSubrange(offset..<offset + 8, with: $0) }
        _ = try serve(request)
        let forgot = files.lookupCount == 0
        if !forgot { files.forget(NodeID(rawValue: node), count: 1) }
        return forgot
    }

    /// The error in the answer, zero where there is none.
    private func serve(_ request: [UInt8]) throws -> Int32 {
        var request = request
        room.storeBytes(of: fuse_out_header(), as: fuse_out_header.self)
        try request.withUnsafeMutableBytes { bytes in
            exchange.segments.replaceAll(
                readable: (iovec(iov_base: bytes.baseAddress, iov_len: bytes.count), iovec()),
                writable: iovec(iov_base: room.baseAddress, iov_len: room.count))
            _ = try session.serve(exchange)
        }
        return -room.loadUnaligned(as: fuse_out_header.self).error
    }
}
