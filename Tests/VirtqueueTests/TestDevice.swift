import GuestMemory
import Virtqueue

/// A device of the traffic tests, which holds what it has taken until it serves it.
protocol AnsweringDevice: ~Copyable {
    /// Whether it holds nothing.
    var isIdle: Bool { get }
    /// Takes one chain; false when there is none.
    mutating func take() throws -> Bool
    /// Answers any one of the chains taken.
    mutating func serve() throws
}

/// The device of the traffic tests: keeps popped chains a while, and answers them in any order.
struct TestDevice: ~Copyable, AnsweringDevice {
    var reader: AvailableReader
    var writer: UsedWriter
    var random: Generator
    private var segments: SegmentList
    private var held: [PoppedChain]
    /// What it has in its hands, in the order in which it was taken.
    private(set) var taken: [PoppedChain]

    /// - Parameters:
    ///   - start: where to go on in a ring in mid-life.
    ///   - inflight: where to keep what it has, and where a device before it has done so.
    init(
        _ queue: TestQueue, salt: Int, start: (available: UInt16, used: UInt16)? = nil, inflight: InflightRegion? = nil
    ) throws {
        reader = try AvailableReader(
            queue.configuration, memory: queue.map, start: start?.available, inflight: inflight)
        taken = reader.leftOver
        held = reader.leftOver
        writer = reader.usedWriter(start: start?.used)
        random = Generator(~salt)
        segments = SegmentList(queueSize: queue.configuration.size)
    }

    var isIdle: Bool { held.isEmpty }

    /// Takes one chain; false when there is none.
    mutating func take() throws -> Bool {
        guard let chain = try reader.pop() else { return false }
        held.append(chain)
        taken.append(chain)
        return true
    }

    mutating func serve() throws { try answer() }

    /// Answers any one of the chains taken, with any number of the bytes there is room for. The chain is walked only
    /// now, however long ago it was popped.
    @discardableResult
    mutating func answer() throws -> PoppedChain {
        held.swapAt(random.below(held.count), held.count - 1)
        let chain = held.removeLast()
        try reader.walk(from: chain, into: &segments)
        let room = Int(segments.writableBytes)
        let written = random.chance(50) ? room : random.below(room + 1)
        segments.write(segments.digest.reply(room: room), count: written)
        writer.push(chain, written: UInt32(written))
        taken.removeAll { $0 == chain }
        return chain
    }
}
