import GuestMemory
import Logging
import Synchronization
import Syscalls
import SystemPackage
import Virtio
import Virtqueue

/// Serves one virtqueue: pops chains, has the session answer them, returns them.
///
/// Two rights pass between threads. The *lead* is the right to pop: one thread has it at a time. *Duty* is to sleep at
/// the doorbell and to take the lead when it rings: one worker has it, the others are in operations that block, or parked.
/// A worker about to block gives up both, and the next one takes over, so a slow operation stalls nobody else
/// (`QueueServer+Blocking.swift`). A kicking thread on loan may take the lead while the worker on duty sleeps, only to pop;
/// it never blocks: an operation that would is put aside for the workers (`QueueServer+Lending.swift`). An assistant may
/// serve beside the worker on duty (`QueueServer+Assistance.swift`). What a leader does is in `QueueServer+Lead.swift`.
final class QueueServer<Files: FileSystem>: @unchecked Sendable {
    let session: FUSESession<Files>
    let options: ServiceOptions
    private let logger: Logger
    let number: Int
    let name: String
    private let interrupt: @Sendable () -> Void
    private let reportBroken: @Sendable (RingError) -> Void

    /// Who wants to know what is written into guest memory.
    let log: QueueLog?
    private let unretainedLog: Unmanaged<QueueLog>?
    /// Descriptors in the queue.
    let size: UInt16
    /// Only the leader touches it.
    @exclusivity(unchecked) private(set) var view: RingView
    /// Chains that were popped; only the leader touches it. Elsewhere, because it changes with each chain, and what lies
    /// around here is read by all threads and hardly ever changes.
    private let popCounter = UnsafeMutablePointer<UInt64>.allocateOnOwnCacheLines()
    var popCount: UInt64 { popCounter.pointee }
    /// Of the high priority queue; only the leader touches it.
    @exclusivity(unchecked) var coalescing = Coalescing()
    /// Where to go on from the next chain on; guarded by `stateLock`.
    @exclusivity(unchecked) private var nextMove: RingMove?
    private let hasMove = Atomic<Bool>(false)
    /// Guarded by `usedLock`.
    private let used: UsedWriter
    private let usedLock = Lock()
    /// 1 while a thread leads.
    let lead = ParkingWord(0)
    /// How threads on loan come in; closed when the queue stops.
    @exclusivity(unchecked) private(set) var loans: LoanDesk<Files>!
    /// Whether one has served since a worker last looked.
    let isLent = Atomic<Bool>(false)
    /// Only a worker that leads touches it.
    let spin: UnsafeMutablePointer<AdaptiveSpin>

    /// Chains that were popped and are for the workers to serve, and the threads; guarded by `stateLock`.
    let stateLock = Lock()
    @exclusivity(unchecked) private var aside: [(chain: PoppedChain, view: RingView)] = []
    /// Whether there are some.
    private let hasAside = Atomic<Bool>(false)
    /// What threads on loan serve with, those that are free.
    @exclusivity(unchecked) var lentExchanges: [Exchange] = []
    private var workers: [OSThread] = []
    var parkedWorkers = 0
    /// Threads beside the workers.
    private var otherThreads = 0
    /// Counts the calls for a new worker on duty that parked ones have not answered yet.
    let dutyCalls = ParkingWord(0)

    let assistance = Assistance()

    private let stopping = Atomic<Bool>(false)
    private let broken = Atomic<Bool>(false)
    @exclusivity(unchecked) private(set) var doorbell: Doorbell!

    init(
        number: Int, activation: consuming QueueActivation, session: FUSESession<Files>, options: ServiceOptions,
        logger: Logger
    ) throws(RingError) {
        self.session = session
        self.options = options
        self.logger = logger
        self.number = number
        name = number == 0 ? "hiprio" : "request-\(number)"
        interrupt = activation.interrupt
        reportBroken = activation.broken
        size = activation.configuration.size
        log = activation.log
        unretainedLog = activation.log.map { .passUnretained($0) }
        view = RingView(
            try AvailableReader(
                activation.configuration, memory: activation.memory, start: activation.start,
                inflight: activation.inflight),
            in: RingMove(configuration: activation.configuration, memory: activation.memory))
        used = view.available.pointee.usedWriter()
        spin = .allocateOnOwnCacheLines()
        popCounter.initialize(to: 0)
        spin.initialize(to: AdaptiveSpin(longest: options.pollNanoseconds))
        aside.reserveCapacity(Int(size))
        // The last one is taken first.
        aside += view.available.pointee.leftOver.reversed().map { ($0, view) }
        hasAside.store(!aside.isEmpty, ordering: .relaxed)
        let kick = activation.takeKick()
        let loans = LoanDesk(self)
        self.loans = loans
        let isLending = options.kick == .adaptive
        doorbell = Doorbell(event: kick, serve: isLending ? { @Sendable () -> Bool in loans.serve() } : nil)
        startWorker()
    }

    deinit {
        loans?.close()
        spin.deallocate()
        popCounter.deallocate()
    }

    // MARK: starting and stopping

    func startWorker() {
        stateLock.withLock { () -> Void in
            guard !isStopping else { return }
            do throws(Errno) {
                workers.append(try OSThread(name: name) { [self] in work(with: makeExchange(batching: true)) })
            } catch {
                logger.error("can't start a thread", metadata: ["queue": "\(name)", "error": "\(error)"])
            }
        }
    }

    /// Ends all workers and waits until no chain is in their hands; the entry at which the queue would go on.
    func stop() -> UInt16 {
        stopping.store(true, ordering: .sequentiallyConsistent)
        session.interrupts.interruptAll(on: self)
        doorbell.wake()
        dutyCalls.add(1)
        dutyCalls.wake(.max)
        while let worker = stateLock.withLock({ workers.popLast() }) {
            doorbell.wake()
            worker.join()
        }
        endAssistance()
        // Threads on loan leave when they see `stopping`. The lead is then kept for ever.
        while !takeLead() { lead.park(while: 1, nanoseconds: 1_000_000) }
        loans.close()
        return view.available.pointee.nextAvailable
    }

    var isStopping: Bool { stopping.load(ordering: .acquiring) }

    /// Whether the ring may be looked at: not once it stops, and not once the driver has broken it.
    var mayServe: Bool { !isStopping && !broken.load(ordering: .acquiring) }

    // MARK: memory that comes and goes

    /// Goes on in another map of the same memory, from the next chain on; see ``Virtio/VirtioDevice/moveQueue(_:to:memory:)``.
    func move(to configuration: QueueConfiguration, memory: GuestMemoryMap) throws(RingError) {
        // Whether the ring can be there at all is found out now, on the caller's thread.
        _ = try AvailableReader(configuration, memory: memory)
        stateLock.withLock { nextMove = RingMove(configuration: configuration, memory: memory) }
        hasMove.store(true, ordering: .releasing)
        doorbell.wake()
    }

    /// As leader.
    private func makeMove() throws(RingError) {
        hasMove.store(false, ordering: .relaxed)
        guard let move = stateLock.withLock({ nextMove.take() }) else { return }
        view = RingView(try view.available.pointee.moved(to: move.configuration, memory: move.memory), in: move)
        try usedLock.withLock { () throws(RingError) in
            try used.move(to: move.configuration, memory: move.memory)
        }
    }

    /// Takes a chain, as leader. A move that was asked for before the driver made the chain available is made before the
    /// chain is walked.
    func pop() throws(RingError) -> PoppedChain? {
        let chain = try view.available.pointee.pop()
        if chain != nil { popCounter.pointee &+= 1 }
        if hasMove.load(ordering: .acquiring) { try makeMove() }
        return chain
    }

    // MARK: one chain

    /// What a thread of this queue's serves with.
    ///
    /// - Parameter batching: whether it is to be able to pop several chains at once.
    func makeExchange(batching: Bool) -> Exchange {
        let exchange = Exchange(queueSize: size)
        exchange.request.server = self
        if batching { exchange.request.batch = ChainBatch(queueSize: size) }
        return exchange
    }

    /// Walks a chain, serves it and returns it to the driver.
    ///
    /// - Returns: false when the thread has given its lead away meanwhile.
    func serve(
        _ chain: PoppedChain, _ view: RingView, _ exchange: Exchange, as role: Request.Role
    ) -> Bool {
        do throws(RingError) {
            try view.available.pointee.walk(from: chain, into: &exchange.segments)
        } catch {
            breakRing(error)
            return true
        }
        return serveWalked(chain, view, exchange, as: role)
    }

    func serveWalked(
        _ chain: PoppedChain, _ view: RingView, _ exchange: Exchange, as role: Request.Role
    ) -> Bool {
        let request = exchange.request
        request.role = role
        request.hasBlocked = false
        do throws(Restart) {
            let start = options.tap == nil ? 0 : monotonicNanoseconds()
            let written = try session.serve(exchange)
            if let tap = options.tap { hear(exchange, written, since: start, tap) }
            finish(chain, view, exchange, written: written)
        } catch {
            if let batch = request.batch { giveUp(batch) }
            putAside(chain, view)
        }
        return !request.hasBlocked
    }

    /// Leaves a chain for the workers, who serve it before they pop another.
    func putAside(_ chain: PoppedChain, _ view: RingView) {
        stateLock.withLock {
            aside.append((chain, view))
            hasAside.store(true, ordering: .relaxed)
        }
        doorbell.wake()
    }

    private func hear(_ exchange: Exchange, _ written: UInt32, since start: UInt64, _ tap: RequestTap) {
        tap.hear(
            RequestTap.Exchange(
                queue: number, readable: exchange.segments.readable, writable: exchange.segments.writable,
                written: written, start: start, end: monotonicNanoseconds()))
    }

    private func finish(_ chain: PoppedChain, _ view: RingView, _ exchange: Exchange, written: UInt32) {
        let batch = exchange.request.batch
        // What is left of its batch is served at once, and it is returned with that; but a thread that has blocked has put it
        // aside.
        if let batch, !batch.isEmpty { return batch.keep(chain, written: written) }
        giveBack(batch) {
            let place = used.nextUsed
            used.push(chain, written: written)
            return place
        } noting: { place, log, usedRing in
            view.note(exchange.segments.writable, written: written, into: log)
            view.noteUsed(at: place, usedRing: usedRing, into: log)
        }
    }

    /// Returns what was served of a batch before the chain that is being served.
    func returnServed(_ batch: ChainBatch) {
        if batch.hasServed { giveBack(batch, pushing: { 0 }, noting: { _, _, _ in }) }
    }

    /// Returns what is kept of a batch and then one more, notes it, and tells the driver.
    ///
    /// - Parameters:
    ///   - push: returns that one, under the lock: where.
    ///   - note: notes what was written into it, and that it was returned there.
    @inline(__always)
    private func giveBack(
        _ batch: ChainBatch?, pushing push: () -> UInt16, noting note: (UInt16, DirtyLog, GuestAddress?) -> Void
    ) {
        let (wanted, place) = usedLock.withLock {
            batch?.returnServed(to: used)
            let place = push()
            return (used.needsInterrupt(), place)
        }
        // Behind the full fence of needsInterrupt: see WriteLog.isOn.
        if isLogging, let log {
            let usedRing = log.usedRing
            log.note {
                batch?.noteServed(usedRing: usedRing, into: $0)
                note(place, $0, usedRing)
            }
        }
        batch?.forgetServed()
        if wanted { interrupt() }
    }

    /// Whether what is written is noted. Asked for each chain by several threads, and so without a reference to the log,
    /// which they would count in the same memory.
    private var isLogging: Bool { unretainedLog?._withUnsafeGuaranteedRef { $0.isOn } ?? false }

    func breakRing(_ error: RingError) {
        guard !broken.exchange(true, ordering: .acquiringAndReleasing) else { return }
        logger.error("the driver broke a ring", metadata: ["queue": "\(name)", "error": "\(error)"])
        reportBroken(error)
    }

    // MARK: the threads

    /// A worker: waits for duty, does it until an operation blocked, and again.
    private func work(with exchange: Exchange) {
        repeat {
            doDuty(exchange)
        } while waitForDuty()
    }

    /// Serves the queue until an operation blocked, or the queue stops.
    private func doDuty(_ exchange: Exchange) {
        while !isStopping {
            guard servePutAside(exchange, as: .worker) else { return }
            guard waitForLead() else { return }
            guard leadUntilEmpty(exchange) else { return }
            if isStopping { return }
            doorbell.wait()
        }
    }

    /// Serves what others have left, as worker on duty; false when this thread blocked and gave its duty away.
    func servePutAside(_ exchange: Exchange, as role: Request.Role) -> Bool {
        while hasAside.load(ordering: .relaxed), let (chain, view) = takeAside() {
            guard serve(chain, view, exchange, as: role) else { return false }
        }
        return true
    }

    private func takeAside() -> (chain: PoppedChain, view: RingView)? {
        stateLock.withLock {
            let next = aside.popLast()
            hasAside.store(!aside.isEmpty, ordering: .relaxed)
            return next
        }
    }

    /// Parks until this thread is called to duty; false when the queue stops.
    private func waitForDuty() -> Bool {
        stateLock.withLock { parkedWorkers += 1 }
        while !isStopping {
            let calls = dutyCalls.value
            if calls > 0 {
                if dutyCalls.compareExchange(expected: calls, desired: calls - 1) { return !isStopping }
            } else {
                dutyCalls.park(while: 0)
            }
        }
        return false
    }

    /// Under `stateLock`.
    var mayHaveThread: Bool { workers.count + otherThreads < options.largestThreadCount }

    /// Counts a thread that is no worker; whether there may be one.
    func takeThread() -> Bool {
        stateLock.withLock {
            guard mayHaveThread else { return false }
            otherThreads += 1
            return true
        }
    }

    /// Undoes ``takeThread()``.
    func returnThread() { stateLock.withLock { otherThreads -= 1 } }
}
