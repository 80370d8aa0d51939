import CKernel
import FUSEWire

/// Runs a recording against a device and compares the answers.
///
/// Request ids, processes and times are not compared. Nor is what each host's file system has its own of: how full it is,
/// blocks and their size, the size of folders and the count of their links, and the order of names in a listing that one
/// answer holds. Nodes, handles, inode numbers and places in listings are compared by what they stand for.
public struct Replay {
    /// Where an answer is not the one of the recording.
    public struct Difference: Equatable, Sendable, CustomStringConvertible {
        /// Of the exchange in the recording, from 0 on.
        public let number: Int
        public let opcode: UInt32
        /// The first byte that differs.
        public let offset: Int
        public let recorded: [UInt8]
        public let found: [UInt8]

        public var description: String {
            let name = Opcode(rawValue: opcode).map { "\($0)" } ?? "opcode \(opcode)"
            func text(_ bytes: [UInt8]) -> String {
                let part = bytes.dropFirst(offset).prefix(16).map {
                    String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)
                }
                return "\(bytes.count) bytes, there " + (part.isEmpty ? "the end" : part.joined(separator: " "))
            }
            return "exchange \(number) (\(name)): byte \(offset) of the answer differs; "
                + "recorded: \(text(recorded)); found: \(text(found))"
        }
    }

    private let device: ReplayDevice
    private var map = ReplayMap()
    /// Exchanges that were compared.
    public private(set) var count = 0

    public init(_ device: ReplayDevice) { self.device = device }

    /// Sends one request and compares its answer.
    public mutating func run(_ exchange: RecordedExchange) throws(ReplayError) -> Difference? {
        defer { count += 1 }
        guard exchange.request.count >= MemoryLayout<fuse_in_header>.size else { return nil }
        let header = exchange.request.withUnsafeBytes { $0.loadUnaligned(as: fuse_in_header.self) }
        guard let opcode = Opcode(rawValue: header.opcode) else {
            return compare(exchange, header.opcode, try send(exchange, exchange.request, nil))
        }
        let fields = WireFields.request(opcode, exchange.request)
        let request = map.translate(exchange.request, fields)
        var reply = try send(exchange, request, opcode)
        if opcode == .forget || opcode == .batchForget { map.forget(exchange.request, fields) }
        if opcode == .readdir || opcode == .readdirplus {
            reply = WireFields.reorder(reply, as: exchange.reply, plus: opcode == .readdirplus)
        }
        map.reconcile(exchange.reply, &reply, WireFields.reply(opcode, exchange.reply))
        return compare(exchange, header.opcode, reply)
    }

    private func send(
        _ exchange: RecordedExchange, _ request: [UInt8], _ opcode: Opcode?
    ) throws(ReplayError) -> [UInt8] {
        // As much room as the client had to give, and so never less than the answer took.
        let shape = opcode.map { code in request.withUnsafeBytes { ReplyShape(opcode: code, request: $0) } } ?? .none
        let room = shape == .none && exchange.reply.isEmpty ? 0 : MemoryLayout<fuse_out_header>.size + shape.capacity
        return try device.send(
            request, room: max(room, exchange.reply.count), isHighPriority: opcode?.isHighPriority ?? false)
    }

    private func compare(_ exchange: RecordedExchange, _ opcode: UInt32, _ reply: [UInt8]) -> Difference? {
        guard exchange.reply != reply else { return nil }
        let same = zip(exchange.reply, reply).prefix { $0 == $1 }.count
        return Difference(number: count, opcode: opcode, offset: same, recorded: exchange.reply, found: reply)
    }
}
