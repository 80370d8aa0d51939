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
/// A worker about to block gives up both, and the next one takes over, so a slow operation stalls nobody else. A kicking
/// thread on loan may take the lead while the worker on duty sleeps, only to pop; it never blocks: an operation that
/// would is put aside for the workers. An assistant may serve beside the worker on duty; see `QueueServer+Assistance.swift`.
final class QueueServer<Files: FileSystem>: @unchecked Sendable, BlockingHost {
    private let session: FUSESession<Files>
    let options: ServiceOptions
    private let logger: Logger
    private let number: Int
    let name: String
    private let interrupt: @Sendable () -> Void
    private let reportBroken: @Sendable (RingError) -> Void

    /// Who wants to know what is written into guest memory.
    private let log: QueueLog?
    /// Descriptors in the queue.
    let size: UInt16
    /// Only the leader touches it.
    @exclusivity(unchecked) private(set) var view: RingView
    /// Chains that were popped; only the leader touches it.
    @exclusivity(unchecked) private(set) var popCount: UInt64 = 0
    /// Where to go on from the next chain on; guarded by `stateLock`.
    @exclusivity(unchecked) private var nextMove: RingMove?
    private let hasMove = Atomic<Bool>(false)
    /// Guarded by `usedLock`.
    private let used: UsedWriter
    private let usedLock = Lock()
    /// 1 while a thread leads.
    let lead = ParkingWord(0)
    /// Threads on loan.
    private let lenders = ParkingWord(0)
    /// Whether one has served since a worker last looked.
    private let isLent = Atomic<Bool>(false)
    /// Only a worker that leads touches it.
    private let spin: UnsafeMutablePointer<AdaptiveSpin>

    /// Chains that a thread on loan could not finish, and the threads; guarded by `stateLock`.
    private let stateLock = Lock()
    @exclusivity(unchecked) private var putAside: [(chain: PoppedChain, view: RingView)] = []
    /// What threads on loan serve with, those that are free.
    @exclusivity(unchecked) private var lentExchanges: [Exchange] = []
    private var workers: [OSThread] = []
    private var parkedWorkers = 0
    /// Threads beside the workers.
    private var otherThreads = 0
    /// Counts the calls for a new worker on duty that parked ones have not answered yet.
    private let dutyCalls = ParkingWord(0)

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
        view = RingView(
            try AvailableReader(
                activation.configuration, memory: activation.memory, start: activation.start,
                inflight: activation.inflight),
            in: RingMove(configuration: activation.configuration, memory: activation.memory))
        used = view.available.usedWriter()
        spin = .allocate(capacity: 1)
        spin.initialize(to: AdaptiveSpin(longest: options.pollNanoseconds))
        putAside.reserveCapacity(Int(size))
        // The last one is taken first.
        putAside += view.available.leftOver.reversed().map { ($0, view) }
        let kick = activation.takeKick()
        var lending: (@Sendable () -> Bool)?
        if options.kick == .adaptive {
            lending = { [weak self] () -> Bool in self?.serveOnLoan() ?? false }
        }
        doorbell = Doorbell(event: kick, serve: lending)
        startWorker()
    }

    deinit { spin.deallocate() }

    // MARK: starting and stopping

    private func startWorker() {
        stateLock.withLock { () -> Void in
            guard !isStopping else { return }
            do throws(Errno) {
                workers.append(try OSThread(name: name) { [self] in work(with: Exchange(queueSize: size)) })
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
        while lenders.value > 0 { lenders.park(while: lenders.value, nanoseconds: 1_000_000) }
        return view.available.nextAvailable
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
        view = RingView(try view.available.moved(to: move.configuration, memory: move.memory), in: move)
        try usedLock.withLock { () throws(RingError) in
            try used.move(to: move.configuration, memory: move.memory)
        }
    }

    // MARK: the lead

    func takeLead() -> Bool { lead.compareExchange(expected: 0, desired: 1) }

    func leaveLead() { lead.store(0) }

    private func suppressKicks() {
        view.available.suppressKicks()
        noteEvents()
    }

    /// Asks for kicks; whether the ring is empty.
    private func armKicks() -> Bool {
        let isEmpty = view.available.armKicks()
        noteEvents()
        return isEmpty
    }

    private func noteEvents() {
        guard let log, log.isOn, let usedRing = log.usedRing else { return }
        log.note { view.noteEvents(usedRing, into: $0) }
    }

    /// Serves what is available, as leader, until nothing is, and gives up the lead.
    ///
    /// - Parameter exchange: the calling worker's.
    /// - Returns: false when an operation blocked on the way, and somebody else has lead and duty now.
    private func leadUntilEmpty(_ exchange: Exchange) -> Bool {
        if !view.available.isEmpty { spin.pointee.end() }
        while true {
            suppressKicks()
            repeat {
                guard serveAvailable(exchange) else { return false }
            } while pollForMore()
            guard mayServe else {
                leaveLead()
                return true
            }
            guard armKicks() else { continue }
            let view = view
            let place = view.available.nextAvailable
            leaveLead()
            // A kick may have come between arming and leaving, and its thread have found the lead taken. So look once
            // more now that it can be taken; the fence pairs with the one in the driver's needsKick.
            fullFence()
            if view.available.isEmpty(at: place) || !takeLead() { return true }
        }
    }

    /// Serves until the ring is empty; false when the lead was lost to another thread.
    private func serveAvailable(_ exchange: Exchange) -> Bool {
        while mayServe {
            do throws(RingError) {
                guard let chain = try pop() else { return true }
                if considerAssistance() {
                    guard try serveAssisted(chain, exchange) else { return false }
                } else {
                    guard serve(chain, view, exchange, as: .leader) else { return false }
                }
            } catch {
                breakRing(error)
                return true
            }
        }
        return true
    }

    /// Takes a chain, as leader. A move that was asked for before the driver made the chain available is made before the
    /// chain is walked.
    func pop() throws(RingError) -> PoppedChain? {
        let chain = try view.available.pop()
        if chain != nil { popCount &+= 1 }
        if hasMove.load(ordering: .acquiring) { try makeMove() }
        return chain
    }

    /// Looks for new chains for a while; whether there are some.
    private func pollForMore() -> Bool {
        // Who kicks serves, too: to look would be to take their work away and hand it from one processor to another.
        if isLent.exchange(false, ordering: .relaxed) { return false }
        let isFound = spin.pointee.spin {
            // What is available stays so while the queue stops, or is broken: nobody takes it any more.
            !mayServe || !view.available.isEmpty
        }
        return isFound && mayServe
    }

    // MARK: one chain

    /// Walks a chain, serves it and returns it to the driver.
    ///
    /// - Returns: false when the thread has given its lead away meanwhile.
    private func serve(
        _ chain: PoppedChain, _ view: RingView, _ exchange: Exchange, as role: Request.Role
    ) -> Bool {
        do throws(RingError) {
            try view.available.walk(from: chain, into: &exchange.segments)
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
        request.server = self
        request.role = role
        request.hasBlocked = false
        do throws(Restart) {
            let start = options.tap == nil ? 0 : monotonicNanoseconds()
            let written = try session.serve(exchange)
            if let tap = options.tap { hear(exchange, written, since: start, tap) }
            finish(chain, view, exchange, written: written)
        } catch {
            stateLock.withLock { putAside.append((chain, view)) }
            doorbell.wake()
        }
        return !request.hasBlocked
    }

    private func hear(_ exchange: Exchange, _ written: UInt32, since start: UInt64, _ tap: RequestTap) {
        tap.hear(
            RequestTap.Exchange(
                queue: number, readable: exchange.segments.readable, writable: exchange.segments.writable,
                written: written, start: start, end: monotonicNanoseconds()))
    }

    private func finish(_ chain: PoppedChain, _ view: RingView, _ exchange: Exchange, written: UInt32) {
        let (wanted, place) = usedLock.withLock {
            let place = used.nextUsed
            used.push(chain, written: written)
            return (used.needsInterrupt(), place)
        }
        if let log, log.isOn {
            log.note {
                view.note(exchange.segments.writable, written: written, into: $0)
                view.noteUsed(at: place, usedRing: log.usedRing, into: $0)
            }
        }
        if wanted { interrupt() }
    }

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
            guard servePutAside(exchange) else { return }
            guard waitForLead() else { return }
            guard leadUntilEmpty(exchange) else { return }
            if isStopping { return }
            doorbell.wait()
        }
    }

    /// Serves what lending threads have left; false when this thread blocked and gave its duty away.
    private func servePutAside(_ exchange: Exchange) -> Bool {
        while let (chain, view) = stateLock.withLock({ putAside.popLast() }) {
            guard serve(chain, view, exchange, as: .worker) else { return false }
        }
        return true
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

    /// Gives the queue to another worker, because this thread is about to block.
    func willBlock(_ request: Request) throws(Errno) {
        if request.role == .onLoan { throw .restart }
        guard !request.hasBlocked else { return }
        // The worker on duty goes on without it.
        if request.role == .assistant {
            request.hasBlocked = true
            return
        }
        let successor = stateLock.withLock { () -> Successor in
            if parkedWorkers > 0 {
                parkedWorkers -= 1
                return .parked
            }
            return mayHaveThread ? .new : .none
        }
        // With all threads blocked the queue waits, as a queue with one thread does.
        if successor == .none { return }
        request.hasBlocked = true
        if request.role == .leader { leaveLead() }
        if successor == .parked {
            dutyCalls.add(1)
            dutyCalls.wake()
        } else {
            startWorker()
        }
    }

    /// Under `stateLock`.
    private var mayHaveThread: Bool { workers.count + otherThreads < options.largestThreadCount }

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

    func startWait(_ request: Request, _ action: @escaping @Sendable () -> Void) throws(Errno) -> Int {
        let wait = try session.interrupts.startWait(of: request.id, on: self, action)
        guard isStopping else { return wait }
        session.interrupts.endWait(wait)
        throw .interrupted
    }

    func endWait(_ wait: Int) { session.interrupts.endWait(wait) }

    private enum Successor { case none, parked, new }

    // MARK: on loan

    /// Serves the queue on the thread that kicked; false when a worker has to.
    ///
    /// It has the lead only while it pops, not while it serves: what is made available meanwhile is served by the
    /// thread that kicks for it. So requests run in parallel where processors are idle, and one that takes long holds
    /// up none behind it.
    private func serveOnLoan() -> Bool {
        lenders.add(1)
        defer { lenders.add(UInt32.max) }
        guard takeLead() else { return false }
        isLent.store(true, ordering: .relaxed)
        let exchange = takeExchange()
        defer { returnExchange(exchange) }
        var next = popOnLoan(exchange)
        while let (chain, view) = next {
            _ = serveWalked(chain, view, exchange, as: .onLoan)
            next = takeLead() ? popOnLoan(exchange) : nil
        }
        return true
    }

    /// Takes a chain and walks it, as leader, and gives up the lead, with kicks asked for.
    ///
    /// It is walked before anybody else may pop: nothing behind a chain that breaks the ring is served.
    private func popOnLoan(_ exchange: Exchange) -> (PoppedChain, RingView)? {
        var chain: PoppedChain?
        if mayServe {
            do throws(RingError) {
                let popped = try pop()
                if let popped { try view.available.walk(from: popped, into: &exchange.segments) }
                chain = popped
            } catch {
                breakRing(error)
            }
        }
        let view = view
        _ = armKicks()
        let place = view.available.nextAvailable
        leaveLead()
        // Whoever kicked since found the lead taken or was told that no kick is wanted. That work is for the worker;
        // the fence pairs with the one in the driver's needsKick.
        fullFence()
        if mayServe && !view.available.isEmpty(at: place) { doorbell.wake() }
        return chain.map { ($0, view) }
    }

    private func takeExchange() -> Exchange {
        stateLock.withLock { lentExchanges.popLast() } ?? Exchange(queueSize: size)
    }

    private func returnExchange(_ exchange: Exchange) { stateLock.withLock { lentExchanges.append(exchange) } }
}
