import Syscalls
import VirtioFSDriver

/// One row at one depth, measured for a while.
final class BenchRun {
    /// How much of the time comes before what is counted.
    private static let warmUp: UInt64 = 5

    private let session: BenchSession
    private let operation: BenchOperation
    // What follows changes with each reply, in the hands of who has the inbox's lock.
    private let actors: UnsafeMutableBufferPointer<BenchActor>
    @exclusivity(unchecked) private var running = 0
    @exclusivity(unchecked) private var items = 0
    @exclusivity(unchecked) private var latencies: [UInt32] = []
    @exclusivity(unchecked) private var countsFrom: UInt64 = 0
    @exclusivity(unchecked) private var end: UInt64 = 0
    /// When the last operation that counts was over.
    @exclusivity(unchecked) private var last: UInt64 = 0

    /// - Parameter files: of data; those under way go to one each, in turn.
    init(_ session: BenchSession, _ operation: BenchOperation, depth: Int, files: [BenchFile]) {
        self.session = session
        self.operation = operation
        actors = .allocate(capacity: depth)
        _ = actors.initialize(fromContentsOf: (0..<depth).map { BenchActor(number: $0, file: files[$0 % files.count]) })
        latencies.reserveCapacity(1 << 20)
    }

    deinit { actors.deinitialize().deallocate() }

    func measure(seconds: Double) throws -> BenchFigure {
        let first = monotonicNanoseconds()
        let length = UInt64(seconds * 1e9)
        countsFrom = first + length / Self.warmUp
        end = countsFrom + length
        last = countsFrom
        running = actors.count
        let start = { for index in self.actors.indices { self.begin(index, at: first) } }
        try session.run(sleeping: session.sleeps && actors.count > 1, start, until: { [self] in running == 0 }) {
            [self] actor, reply in try proceed(actor, reply)
        }
        if session.isStopped { throw Failure("stopped") }
        return BenchFigure(
            operation, depth: actors.count, items: items, nanoseconds: last - countsFrom, latencies: latencies)
    }

    /// Lookups that the row has left with a node.
    func forget(in share: BenchShare) {
        for actor in actors { share.forget(actor.node, actor.lookups) }
    }

    private func begin(_ index: Int, at time: UInt64) {
        actors[index].step = 0
        actors[index].start = time
        guard case .send(let request) = operation.next(&actors[index], UnsafeRawBufferPointer(start: nil, count: 0))
        else { preconditionFailure("an operation has at least one request") }
        session.send(request, of: index)
    }

    private func proceed(_ index: Int, _ reply: Reply) throws {
        if let error = reply.error { throw Failure("\(operation.name) failed: \(error)") }
        actors[index].step += 1
        switch operation.next(&actors[index], reply.payload) {
        case .send(let request): session.send(request, of: index)
        case .done(let count): finish(index, count)
        case .failed(let reason): throw Failure("\(operation.name): \(reason)")
        }
    }

    private func finish(_ index: Int, _ count: Int) {
        let now = monotonicNanoseconds()
        // What began before and ended after is neither lost nor counted twice: it is counted where it ended.
        if now >= countsFrom, isOpen(at: now) {
            items += count
            last = now
            latencies.append(UInt32(clamping: now - actors[index].start))
        }
        if isOpen(at: now) { begin(index, at: now) } else { running -= 1 }
    }

    /// Whether what ends now counts: until the time is over, and at least one operation; but not once all is to end.
    private func isOpen(at now: UInt64) -> Bool { (now < end || latencies.isEmpty) && !session.isEnding }
}
