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
    /// Whether a run of several requests at once sleeps while it waits. A thread that looks takes a processor from a device
    /// that has several threads.
    let sleeps: Bool
    private let stop: FileDescriptor
    private let inbox = BenchInbox()
    /// Whether a signal has come while somebody waited: nothing new is begun. Handlers may look at it.
    @exclusivity(unchecked) private(set) var isEnding = false
    /// The head of the request that is being made.
    private let head = UnsafeMutableRawBufferPointer.allocate(byteCount: DriverLane.headSize, alignment: 8)

    /// - Parameter stop: readable when everything has to end.
    init(_ driver: VirtioFSDriver, sleeps: Bool, stop: FileDescriptor) throws {
        self.driver = driver
        self.sleeps = sleeps
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
        inbox.sends()
        let count = request.write(to: head, id: UInt64(actor + 1) << 1)
        lane.send(head: UnsafeRawBufferPointer(rebasing: head[..<count]), length: request.length, lending: true)
    }

    /// Sends a request that is never answered.
    func post(_ request: BenchRequest) {
        let count = request.write(to: head, id: 2)
        lane.send(head: UnsafeRawBufferPointer(rebasing: head[..<count]), length: count, lending: true)
    }

    /// Sends what `start` sends, then looks for replies until `isDone`, and calls `handle` with each: an actor and what it
    /// waited for.
    ///
    /// - Parameter sleeping: whether it sleeps until several replies are there, in place of looking.
    func run(
        sleeping: Bool = false, _ start: () -> Void, until isDone: @escaping () -> Bool,
        _ handle: @escaping (Int, Reply) throws -> Void
    ) throws {
        inbox.begin(handle, until: isDone)
        defer { inbox.end() }
        inbox.whileLocked(start)
        if sleeping {
            try lane.collectReplies { try wait { inbox.park(nanoseconds: Self.patience) } }
        } else {
            try wait {
                let end = monotonicNanoseconds() + UInt64(Self.patience)
                repeat {
                    lane.takeReplies()
                    spinHint()
                } while !inbox.isOver && monotonicNanoseconds() < end
            }
        }
        if let error = inbox.error { throw error }
    }

    /// How long a device may take for a reply once a signal has come, in nanoseconds.
    private static let patience = 1_000_000_000

    /// Waits until the run is over.
    ///
    /// - Parameter while: waits for as long as ``patience`` at most.
    private func wait(while step: () -> Void) throws(SilentDevice) {
        while !inbox.isOver {
            let before = inbox.replies
            step()
            guard isStopped else { continue }
            inbox.whileLocked { isEnding = true }
            if !inbox.isOver, inbox.replies == before { throw SilentDevice() }
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

/// A signal has come, and the device answers nothing.
struct SilentDevice: Error, CustomStringConvertible {
    var description: String { "stopped; the device doesn't answer" }
}
