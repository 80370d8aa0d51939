import Synchronization
import Syscalls
import Virtqueue

/// A second thread for a queue in which requests pile up.
///
/// The assistant serves beside the worker on duty, as long as that is worth its while, and sleeps otherwise. It never has
/// duty: it asks for no kicks and sleeps at no doorbell, so nothing is lost when it goes. While it is at work, the two take
/// the lead in turn, only to pop: one chain where chains take long, several where they don't.
final class Assistance: @unchecked Sendable {
    /// 1 while the assistant is at work, or called.
    let isCalled = ParkingWord(0)
    /// Whether threads on loan have served the queue since the leader last thought of calling: they are what it has beside
    /// the worker.
    let isNeedless = Atomic<Bool>(false)
    /// The worker on duty, and the assistant: with both on one processor, the driver has the other, and two do what one could.
    fileprivate let places = ThreadPlaces(count: 2)
    fileprivate enum Place { static let (worker, assistant) = (0, 1) }
    /// Chains that are popped at once: set by the leader before it calls.
    fileprivate let share = Atomic<Int>(1)
    /// Only the leader touches it.
    fileprivate let judge = UnsafeMutablePointer<AssistanceJudge>.allocateOnOwnCacheLines()
    /// Made when it is first called, by the leader; joined when the queue has no workers any more.
    @exclusivity(unchecked) fileprivate var thread: OSThread?

    init() { judge.initialize(to: AssistanceJudge()) }

    deinit { judge.deallocate() }
}

extension QueueServer {
    // MARK: the worker on duty

    /// As leader: whether the assistant is at work. Nobody waits for what the high priority queue carries.
    func considerAssistance() -> Bool {
        guard number > 0 else { return false }
        let isAssisted = assistance.isCalled.value == 1
        let verdict = assistance.judge.pointee.consider(
            hasBacklog: view.available.pointee.hasMore(than: AssistanceJudge.backlog), isAssisted: isAssisted,
            chains: popCount, at: monotonicNanoseconds())
        switch verdict {
        case .asBefore: return isAssisted
        case .call(let share):
            guard !assistance.isNeedless.exchange(false, ordering: .relaxed) else {
                assistance.judge.pointee.startOver()
                return false
            }
            return callAssistant(share)
        case .dismiss:
            assistance.isCalled.store(0)
            return false
        }
    }

    private func callAssistant(_ share: Int) -> Bool {
        guard options.processors > 1, !isStopping else { return false }
        assistance.share.store(share, ordering: .relaxed)
        assistance.isCalled.store(1)
        if assistance.thread == nil { startAssistant() } else { assistance.isCalled.wake() }
        return true
    }

    /// Without one, whoever is called is never seen to help, and dismissed.
    private func startAssistant() {
        guard takeThread() else { return }
        let exchange = makeExchange(batching: true)
        assistance.thread = try? OSThread(name: name + "+") { [self] in assist(with: exchange) }
        if assistance.thread == nil { returnThread() }
    }

    /// Serves a chain or several, as leader, but gives up the lead for that.
    ///
    /// - Returns: nothing when nothing is available; false when the thread has neither lead nor duty any more.
    func serveAssisted(_ exchange: Exchange) -> Bool? {
        guard popShare(exchange) else { return nil }
        assistance.places.keepApart(Assistance.Place.worker)
        leaveLead()
        guard serveBatch(exchange, as: .worker) else { return false }
        return waitForLead()
    }

    /// Takes the lead from others, who have it only for as long as it takes to pop; false when the queue stops.
    func waitForLead() -> Bool {
        var looks = 0
        while !takeLead() {
            if isStopping { return false }
            looks += 1
            // Whoever has it has been put aside.
            if looks < 1000 { spinHint() } else { lead.park(while: 1, nanoseconds: 50_000) }
        }
        return true
    }

    // MARK: a share of what is available

    /// Pops what one of two threads takes at once, as leader; whether there was something.
    ///
    /// It is walked before anybody else may pop: nothing behind a chain that breaks the ring is served.
    private func popShare(_ exchange: Exchange) -> Bool {
        let batch = exchange.request.batch.unsafelyUnwrapped
        let share = assistance.share.load(ordering: .relaxed)
        // One of two leaves the other as many.
        var left = view.available.pointee.hasMore(than: UInt16(2 * share - 1)) ? share : 1
        do throws(RingError) {
            while left > 0, mayServe, let chain = try pop() {
                // A queue that has moved meanwhile: what was popped before lies in the old map.
                guard batch.isEmpty || batch.view === view else {
                    putAside(chain, view)
                    break
                }
                try batch.append(chain, in: .passUnretained(view))
                left -= 1
            }
        } catch {
            breakRing(error)
        }
        return !batch.isEmpty
    }

    /// Serves what was popped; false when the thread has given its lead and duty away.
    private func serveBatch(_ exchange: Exchange, as role: Request.Role) -> Bool {
        let batch = exchange.request.batch.unsafelyUnwrapped
        let view = batch.view.unsafelyUnwrapped
        while !batch.isEmpty {
            let chain = batch.takeFirst(&exchange.segments)
            // A thread that blocks has returned those before and put the others aside.
            guard serveWalked(chain, view, exchange, as: role) else { return false }
        }
        return true
    }

    /// Returns what was served of a batch, and leaves the rest for the workers, because this thread can't go on with it.
    func giveUp(_ batch: ChainBatch) {
        guard let view = batch.view else { return }
        returnServed(batch)
        // The last one that is put aside is served first.
        while !batch.isEmpty { putAside(batch.takeLast(), view) }
    }

    // MARK: the assistant

    private func assist(with exchange: Exchange) {
        var spin = AdaptiveSpin(longest: options.pollNanoseconds)
        while !isStopping {
            assistance.isCalled.park(while: 0)
            var batches = 0
            while assistance.isCalled.value == 1, mayServe {
                guard popAlongside(exchange) || waitAlongside(exchange, &spin) else { break }
                if batches % Self.placeLook == 0 { assistance.places.keepApart(Assistance.Place.assistant) }
                batches &+= 1
                _ = serveBatch(exchange, as: .assistant)
            }
            _ = assistance.isCalled.compareExchange(expected: 1, desired: 0)
        }
    }

    /// Takes a share, as leader, and gives up the lead. Kicks are the business of the worker on duty.
    private func popAlongside(_ exchange: Exchange) -> Bool {
        guard takeLeadSoon() else { return false }
        defer { leaveLead() }
        return mayServe && popShare(exchange)
    }

    /// Takes the lead, unless the worker on duty has it for longer than to pop.
    private func takeLeadSoon() -> Bool {
        for _ in 0..<200 {
            if takeLead() { return true }
            spinHint()
        }
        return false
    }

    /// Looks for a share for a while. Where chains take little time it lets the driver have the processor between looks,
    /// which is about to make more available; to sleep would be to let the processor fall asleep, too.
    private func waitAlongside(_ exchange: Exchange, _ spin: inout AdaptiveSpin) -> Bool {
        guard assistance.share.load(ordering: .relaxed) == 1 else {
            let end = monotonicNanoseconds() + Self.shortWait
            repeat {
                yieldProcessor()
                if popAlongside(exchange) { return true }
            } while mayServe && monotonicNanoseconds() < end
            return false
        }
        var isFound = false
        _ = spin.spin {
            isFound = popAlongside(exchange)
            return isFound || !mayServe
        }
        return isFound
    }

    /// With how many batches the assistant looks whether it shares the worker's processor: some tens of microseconds where
    /// chains are small. With 8 and with 256 it makes less of them.
    private static var placeLook: Int { 32 }

    /// Nanoseconds.
    private static var shortWait: UInt64 { 10_000 }

    /// The queue stops: nobody calls the assistant any more.
    func endAssistance() {
        guard let thread = assistance.thread.take() else { return }
        assistance.isCalled.store(1)
        assistance.isCalled.wake()
        thread.join()
    }
}
