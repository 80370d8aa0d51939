import GuestMemory
import Virtqueue

/// The driver of the traffic tests: sends random requests and checks each reply. One slot of memory a request.
struct TestDriver<Ring: DriverHalf & ~Copyable>: ~Copyable {
    let queue: TestQueue
    var ring: Ring
    var random: Generator
    private var requests: [Request?]
    private var freeSlots: [Int]
    private(set) var sentCount = 0
    private(set) var answeredCount = 0
    private(set) var failure: String?

    init(_ ring: consuming Ring, _ queue: TestQueue, salt: Int) {
        self.queue = queue
        self.ring = ring
        random = Generator(salt)
        requests = Array(repeating: nil, count: Int(queue.configuration.size))
        freeSlots = Array(requests.indices)
    }

    var inFlight: Int { sentCount - answeredCount }

    /// Sends one random request; false when the ring has no room for it.
    mutating func send() -> Bool { send(limit: min(12, Int(ring.size))) }

    /// Sends a request of one buffer, which fits wherever there is a free descriptor.
    mutating func fillLastRoom() -> Bool { send(limit: 1) }

    private mutating func send(limit: Int) -> Bool {
        guard !freeSlots.isEmpty else { return false }
        freeSlots.swapAt(random.below(freeSlots.count), freeSlots.count - 1)
        let slot = freeSlots[freeSlots.count - 1]
        var request = Request.random(
            at: TestMemory.dataStart + UInt64(slot * TestQueue.slotSize), room: TestQueue.slotSize,
            limit: limit, using: &random)
        request.fill(queue.memory, using: &random)
        let table = random.chance(50) ? queue.table(slot) : nil
        guard ring.add(request, table: table, token: UInt32(slot)) else { return false }
        freeSlots.removeLast()
        requests[slot] = request
        sentCount += 1
        return true
    }

    /// Takes one reply and checks it; false when there is none.
    mutating func receive() throws -> Bool {
        guard let (token, written) = try ring.popUsed() else { return false }
        answeredCount += 1
        guard let request = requests[Int(token)] else {
            failure = "an answer to slot \(token), which was not asked"
            return true
        }
        if !request.isAnswered(in: queue.memory, written: Int(written)) {
            failure = "a wrong answer of \(written) bytes to \(request)"
        }
        requests[Int(token)] = nil
        freeSlots.append(Int(token))
        return true
    }
}

extension TestDriver where Ring == DriverQueue {
    init(_ queue: TestQueue, salt: Int) throws {
        self.init(try DriverQueue(queue.configuration, memory: queue.map), queue, salt: salt)
    }
}

extension TestQueue {
    /// Bytes of memory for buffers that a ``TestDriver`` has for each request in flight.
    static let slotSize = 120

    /// A queue with memory for a ``TestDriver``, cut into regions at two random places.
    static func forTraffic(size: UInt16, features: RingFeatures, using random: inout Generator) throws -> TestQueue {
        let dataSize = slotSize * Int(size)
        let borders = [random.below(dataSize), random.below(dataSize)]
        return try TestQueue(size: size, features: features, dataSize: dataSize, borders: borders)
    }
}

/// What the driver half of any ring does.
protocol DriverHalf: ~Copyable {
    var size: UInt16 { get }
    var freeCount: UInt16 { get }
    var hasUsed: Bool { get }
    mutating func popUsed() throws -> (token: UInt32, written: UInt32)?
    mutating func add(
        readable: UnsafeBufferPointer<GuestBuffer>, writable: UnsafeBufferPointer<GuestBuffer>,
        table: IndirectTable?, token: UInt32
    ) -> Bool
}

extension SplitDriverQueue: DriverHalf {}
extension PackedDriverQueue: DriverHalf {}
extension DriverQueue: DriverHalf {}

extension DriverHalf where Self: ~Copyable {
    mutating func add(_ request: Request, table: IndirectTable?, token: UInt32) -> Bool {
        request.readable.withUnsafeBufferPointer { readable in
            request.writable.withUnsafeBufferPointer { writable in
                add(readable: readable, writable: writable, table: table, token: token)
            }
        }
    }

    /// Adds a chain of given buffers.
    mutating func add(
        readable: [GuestBuffer] = [], writable: [GuestBuffer] = [], table: IndirectTable? = nil, token: UInt32 = 0
    ) -> Bool {
        add(Request(readable: readable, writable: writable), table: table, token: token)
    }
}
