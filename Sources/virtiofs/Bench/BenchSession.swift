import CKernel
import FUSEWire
import Syscalls
import SystemPackage
import VirtioFSDriver

/// A FUSE session on a device, for one thread that sends requests and looks for the replies itself.
final class BenchSession {
    let driver: VirtioFSDriver
    let lane: PolledLane
    /// Bytes of data in the largest READ and WRITE that is measured.
    let largestTransfer: Int
    private let stop: FileDescriptor
    private let inbox = BenchInbox()
    /// The head of the request that is being made.
    private let head = UnsafeMutableRawBufferPointer.allocate(byteCount: DriverLane.headSize, alignment: 8)

    /// - Parameter stop: readable when everything has to end.
    init(_ driver: VirtioFSDriver, stop: FileDescriptor) throws {
        self.driver = driver
        self.stop = stop
        largestTransfer = try Self.open(driver)
        driver.onReply { [inbox] reply in inbox.take(reply) }
        lane = PolledLane(driver, index: 0)
    }

    deinit { head.deallocate() }

    /// INIT; the largest transfer of the session.
    private static func open(_ driver: VirtioFSDriver) throws(Errno) -> Int {
        var offer = fuse_init_in()
        offer.major = UInt32(FUSE_KERNEL_VERSION)
        offer.minor = UInt32(FUSE_KERNEL_MINOR_VERSION)
        offer.max_readahead = 1 << 20
        let flags: InitFlags = [
            .initExtended, .bigWrites, .maxPages, .asyncDirectIO, .parallelDirectoryOperations,
            .doReaddirplus, .handleKillprivV2,
        ]
        (offer.flags, offer.flags2) = flags.words
        let request = BenchRequest(.initialize, NodeID(rawValue: 0)).with(offer)
        let answer = try driver.call(request.bytes, internally: true)
        driver.sessionOpened(with: request.bytes)
        guard answer.count >= MemoryLayout<fuse_init_out>.size else { throw .protocolError }
        let limits = answer.withUnsafeBytes { $0.loadUnaligned(as: fuse_init_out.self) }
        return min(1 << 20, Int(limits.max_write), driver.largestRequest - DriverLane.headSize)
    }

    /// Sends a request for an actor, to whom the reply goes.
    func send(_ request: BenchRequest, of actor: Int) {
        _ = lane.prepare()
        let count = request.write(to: head, id: UInt64(actor + 1) << 1)
        lane.send(head: UnsafeRawBufferPointer(rebasing: head[..<count]), length: request.length, lending: true)
    }

    /// Sends what `start` sends, then looks for replies until `isDone`, and calls `handle` with each: an actor and what it
    /// waited for.
    func run(
        _ start: () -> Void, until isDone: () -> Bool, _ handle: @escaping (Int, Reply) throws -> Void
    ) throws {
        inbox.handler = handle
        defer { inbox.handler = nil }
        start()
        while !isDone() {
            lane.takeReplies()
            if let error = inbox.error { throw error }
            spinHint()
        }
    }

    /// Makes one call and waits for it: the reply's payload.
    func call(_ request: BenchRequest) throws -> [UInt8] {
        var payload: [UInt8]?
        try run({ send(request, of: 0) }, until: { payload != nil }) { _, reply in
            if let error = reply.error { throw Failure("\(request.opcode) failed: \(error)") }
            payload = Array(reply.payload)
        }
        return payload!
    }

    /// Whether a signal has come.
    var isStopped: Bool {
        var polled = pollfd(fd: stop.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, 0) > 0
    }
}

/// Where the driver's replies arrive: all on the thread that looks for them.
private final class BenchInbox: @unchecked Sendable {
    var handler: ((Int, Reply) throws -> Void)?
    /// What a handler threw.
    var error: (any Error)?

    func take(_ reply: Reply) {
        guard error == nil, let handler else { return }
        do {
            try handler(Int(reply.id.rawValue >> 1) - 1, reply)
        } catch {
            self.error = error
        }
    }
}
