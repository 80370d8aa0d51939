import CKernel
import GuestMemory
import Virtqueue

/// What the device of a traffic test answers: bytes that depend on every byte it was sent, on their number, and on the
/// room for the reply. A byte read twice, skipped or moved shows in the reply.
struct Digest {
    private var state: UInt64 = 0xcbf2_9ce4_8422_2325
    private var count: UInt64 = 0

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes { state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        count &+= UInt64(bytes.count)
    }

    /// The reply to a request with `room` bytes for it.
    func reply(room: Int) -> Reply { Reply(key: mixed(state ^ count << 32 ^ UInt64(room))) }
}

struct Reply {
    let key: UInt64

    subscript(position: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: key >> (8 * UInt64(position & 7)) &+ UInt64(position))
    }
}

/// What writable memory holds before the device writes.
let poison: UInt8 = 0xa5

extension SegmentList {
    var digest: Digest {
        var digest = Digest()
        for segment in readable { digest.add(UnsafeRawBufferPointer(start: segment.iov_base, count: segment.iov_len)) }
        return digest
    }

    /// Plays the device: writes the first `count` bytes of the reply.
    func write(_ reply: Reply, count: Int) {
        var position = 0
        for segment in writable {
            let bytes = UnsafeMutableRawBufferPointer(start: segment.iov_base, count: segment.iov_len)
            for index in 0..<min(bytes.count, count - position) {
                bytes[index] = reply[position]
                position += 1
            }
        }
    }
}

/// The driver's own record of a request in flight; nothing in it is read back from shared memory.
struct Request {
    var readable: [GuestBuffer] = []
    var writable: [GuestBuffer] = []
    var sent: [UInt8] = []

    /// A request of random shape in `room` bytes of guest memory at `start`: at most `limit` buffers, some empty, some
    /// adjacent, some apart.
    static func random(
        at start: GuestAddress, room: Int, limit: Int, using random: inout Generator
    ) -> Request {
        var request = Request()
        let count = 1 + random.below(limit)
        let readable = random.below(count + 1)
        let share = room / count
        for position in 0..<count {
            let gap = random.chance(50) ? 0 : random.below(share / 2)
            let length = random.chance(10) ? 0 : random.below(share - gap + 1)
            let buffer = GuestBuffer(start + UInt64(position * share + gap), count: UInt32(length))
            if position < readable { request.readable.append(buffer) } else { request.writable.append(buffer) }
        }
        return request
    }

    var room: Int { writable.reduce(0) { $0 + Int($1.count) } }

    /// Fills the readable buffers with random bytes, and the writable ones with poison.
    mutating func fill(_ memory: TestMemory, using random: inout Generator) {
        sent.removeAll(keepingCapacity: true)
        for buffer in readable {
            for _ in 0..<buffer.count { sent.append(UInt8(truncatingIfNeeded: random.next())) }
        }
        var position = 0
        for buffer in readable {
            memory.forEachPiece(of: buffer) { piece in
                piece.copyBytes(from: sent[position..<position + piece.count])
                position += piece.count
            }
        }
        for buffer in writable { memory.forEachPiece(of: buffer) { memset($0.baseAddress!, Int32(poison), $0.count) } }
    }

    /// Whether memory holds what the driver sent, then `written` bytes of the right reply, then poison.
    func isAnswered(in memory: TestMemory, written: Int) -> Bool {
        var digest = Digest()
        sent.withUnsafeBytes { digest.add($0) }
        let reply = digest.reply(room: room)
        var matches = written <= room
        var position = 0
        for buffer in readable {
            memory.forEachPiece(of: buffer) { piece in
                sent[position..<position + piece.count].withUnsafeBytes {
                    matches = matches && memcmp($0.baseAddress!, piece.baseAddress!, piece.count) == 0
                }
                position += piece.count
            }
        }
        position = 0
        for buffer in writable {
            memory.forEachPiece(of: buffer) { piece in
                for byte in piece {
                    matches = matches && byte == (position < written ? reply[position] : poison)
                    position += 1
                }
            }
        }
        return matches
    }
}
