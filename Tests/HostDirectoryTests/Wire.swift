import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing
import VirtioFSDevice
import Virtqueue

/// A session with a share, asked in bytes, as a client would.
final class Wire {
    let share: Share
    let session: FUSESession<HostDirectory>
    private let exchange = Exchange(queueSize: 8)
    private var unique: UInt64 = 1
    /// The flags that INIT has settled.
    private(set) var flags = InitFlags()

    struct Answer {
        let error: Int32
        let payload: [UInt8]

        func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int = 0) -> Value {
            payload.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
        }
    }

    init(
        _ options: HostDirectoryOptions = HostDirectoryOptions(), offering offer: InitFlags = InitFlags(rawValue: .max)
    ) throws {
        share = try Share(options)
        session = FUSESession(files: share.fs)
        var arguments = fuse_init_in()
        arguments.major = 7
        arguments.minor = 38
        (arguments.flags, arguments.flags2) = offer.words
        let answer = ask(.initialize, .root, Self.bytes(arguments))
        #expect(answer.error == 0)
        let reply = answer.load(fuse_init_out.self)
        flags = InitFlags(flags: reply.flags, flags2: reply.flags2)
    }

    static func bytes<Value: BitwiseCopyable>(_ value: Value) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
    static func name(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }

    /// Sends a request and returns its answer.
    ///
    /// - Parameter extensions: what is appended to it, in whole units of eight bytes.
    func ask(
        _ opcode: Opcode, _ node: NodeID, _ arguments: [UInt8], extensions: [UInt8] = [], uid: UInt32 = geteuid(),
        gid: UInt32 = getegid(), room: Int = 70_000
    ) -> Answer {
        unique += 2
        var header = fuse_in_header()
        header.len = UInt32(MemoryLayout<fuse_in_header>.size + arguments.count + extensions.count)
        header.opcode = opcode.rawValue
        header.unique = unique
        header.nodeid = node.rawValue
        (header.uid, header.gid) = (uid, gid)
        header.total_extlen = UInt16(extensions.count / 8)
        return send(Self.bytes(header) + arguments + extensions, room: room)
    }

    /// Sends a request's bytes as they are, in the byte order that this machine doesn't have.
    func sendForeign(_ request: [UInt8]) -> Answer { send(request, isSwapped: true) }

    /// Sends a request's bytes as they are.
    func send(_ request: [UInt8], room: Int = 70_000, isSwapped: Bool = false) -> Answer {
        var request = request
        var reply = [UInt8](repeating: 0xee, count: room)
        let written = request.withUnsafeMutableBytes { input in
            reply.withUnsafeMutableBytes { output -> UInt32 in
                exchange.segments.replaceAll(
                    readable: (iovec(iov_base: input.baseAddress, iov_len: input.count), iovec()),
                    writable: iovec(iov_base: output.baseAddress, iov_len: output.count))
                return (try? session.serve(exchange)) ?? 0
            }
        }
        let sent = reply.withUnsafeBytes { $0.loadUnaligned(as: fuse_out_header.self) }
        let header = sent.inOrder(swapped: isSwapped)
        #expect(written == 0 || header.len == written)
        return Answer(error: -header.error, payload: Array(reply[min(16, Int(written))..<Int(written)]))
    }
}
