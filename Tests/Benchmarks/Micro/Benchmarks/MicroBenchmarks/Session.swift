import CKernel
import FUSEWire
import Glibc
import HostDirectory
import SystemPackage
import VirtioFSDevice

/// A FUSE session with a folder of so many empty files, asked in bytes on one thread.
final class Session {
    private let folder: String
    private let session: FUSESession<HostDirectory>
    private let exchange = Exchange(queueSize: 8)
    private var request = [UInt8](repeating: 0, count: 4096)
    private var reply = [UInt8](repeating: 0, count: 4096)
    private static let headerSize = MemoryLayout<fuse_in_header>.size

    init(files: Int) throws {
        var template = Array("/dev/shm/virtiofs-session-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        folder = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        for number in 0..<files {
            try FileDescriptor.open(
                FilePath(folder + "/" + Self.name(number)), .writeOnly, options: [.create],
                permissions: FilePermissions(rawValue: 0o600)
            ).close()
        }
        session = FUSESession(files: try HostDirectory(path: FilePath(folder)))
        var offer = fuse_init_in()
        (offer.major, offer.minor) = (7, 38)
        ask(.initialize, .root, withUnsafeBytes(of: offer) { Array($0) })
    }

    func remove(files: Int) {
        for number in 0..<files { unlink(folder + "/" + Self.name(number)) }
        rmdir(folder)
    }

    static func name(_ number: Int) -> String { "file-\(number)" }

    /// The nodeid of a file, one lookup of which is counted.
    @discardableResult
    func lookup(_ name: [UInt8]) -> NodeID {
        ask(.lookup, .root, name)
        return reply.withUnsafeBytes {
            NodeID(rawValue: $0.loadUnaligned(fromByteOffset: 16, as: fuse_entry_out.self).nodeid)
        }
    }

    func forget(_ node: NodeID) {
        ask(.forget, node, withUnsafeBytes(of: fuse_forget_in(nlookup: 1)) { Array($0) })
    }

    func getattr(_ node: NodeID) { ask(.getattr, node, [UInt8](repeating: 0, count: 16)) }

    private func ask(_ opcode: Opcode, _ node: NodeID, _ arguments: [UInt8]) {
        var header = fuse_in_header()
        let count = Self.headerSize + arguments.count
        (header.len, header.opcode, header.unique, header.nodeid) = (UInt32(count), opcode.rawValue, 2, node.rawValue)
        request.withUnsafeMutableBytes { input in
            input.storeBytes(of: header, as: fuse_in_header.self)
            UnsafeMutableRawBufferPointer(rebasing: input[Self.headerSize...]).copyBytes(from: arguments)
            reply.withUnsafeMutableBytes { output in
                exchange.segments.replaceAll(
                    readable: (iovec(iov_base: input.baseAddress, iov_len: count), iovec()),
                    writable: iovec(iov_base: output.baseAddress, iov_len: output.count))
                guard (try? session.serve(exchange)) != nil else { fatalError("\(opcode) was put off") }
            }
        }
    }
}
