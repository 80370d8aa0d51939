import CKernel
import GuestMemory
import Virtqueue

/// A driver of many small requests: a number is sent, and its successor comes back.
struct SmallDriver: ~Copyable {
    let queue: TestQueue
    var ring: DriverQueue
    var random: Generator
    private let requests: Int
    private var sent = 0
    private var received = 0
    private var free: [Int]

    init(_ queue: TestQueue, requests: Int, salt: Int) throws {
        self.queue = queue
        self.requests = requests
        ring = try DriverQueue(queue.configuration, memory: queue.map)
        random = Generator(salt)
        free = Array(0..<Int(queue.configuration.size))
    }

    var isDone: Bool { received == requests }

    private func number(_ slot: Int) -> GuestAddress { TestMemory.dataStart + UInt64(TestQueue.slotSize * slot) }

    mutating func send() -> Bool {
        guard sent < requests, let slot = free.last else { return false }
        let readable = GuestBuffer(number(slot), count: 8)
        let writable = GuestBuffer(number(slot) + 8, count: 8)
        // A queue of one descriptor has no room for two buffers: there the number is answered in place.
        let isSmall = ring.size == 1
        store(UInt64(sent), at: isSmall ? writable : readable)
        guard
            ring.add(
                readable: isSmall ? [] : [readable], writable: [writable], table: queue.table(slot), token: UInt32(slot)
            )
        else { return false }
        free.removeLast()
        sent += 1
        return true
    }

    mutating func receive() throws -> Bool {
        guard let (token, written) = try ring.popUsed() else { return false }
        guard written == 8, load(GuestBuffer(number(Int(token)) + 8, count: 8)) == UInt64(received) + 1 else {
            throw WrongAnswer(position: received)
        }
        received += 1
        free.append(Int(token))
        return true
    }

    struct WrongAnswer: Error { var position: Int }

    private func store(_ number: UInt64, at buffer: GuestBuffer) {
        var position: UInt64 = 0
        queue.memory.forEachPiece(of: buffer) { piece in
            for index in piece.indices {
                piece[index] = UInt8(truncatingIfNeeded: number >> (8 * position))
                position += 1
            }
        }
    }

    private func load(_ buffer: GuestBuffer) -> UInt64 {
        var number: UInt64 = 0
        var position: UInt64 = 0
        queue.memory.forEachPiece(of: buffer) { piece in
            for byte in piece {
                number |= UInt64(byte) << (8 * position)
                position += 1
            }
        }
        return number
    }

    /// Plays the device.
    static func answer(_ segments: borrowing SegmentList) {
        var bytes = Array(repeating: UInt8(0), count: 8)
        let source = segments.readableBytes > 0 ? segments.readable : segments.writable
        var position = 0
        for segment in source {
            for index in 0..<segment.iov_len {
                bytes[position] = segment.iov_base.load(fromByteOffset: index, as: UInt8.self)
                position += 1
            }
        }
        let number = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } + 1
        position = 0
        for segment in segments.writable {
            for index in 0..<segment.iov_len {
                let byte = UInt8(truncatingIfNeeded: number >> UInt64(8 * position))
                segment.iov_base.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
                position += 1
            }
        }
    }
}
