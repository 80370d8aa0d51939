import Synchronization
import Syscalls
import Virtqueue

/// A second thread for a queue in which requests pile up that take long: large reads, for the most part, and whatever
/// makes and removes files.
///
/// The assistant serves beside the worker on duty, as long as that is worth its while, and sleeps otherwise. It never has
/// duty: it asks for no kicks and sleeps at no doorbell, so nothing is lost when it goes. While it is at work, the two take
/// the lead in turn, only to pop.
final class Assistance: @unchecked Sendable {
    /// 1 while the assistant is at work, or called.
    let isCalled = ParkingWord(0)
    /// Only the leader touches it.
    @exclusivity(unchecked) fileprivate var judge = AssistanceJudge()
    /// Made when it is first called, by the leader; joined when the queue has no workers any more.
    @exclusivity(unchecked) fileprivate var thread: OSThread?
}

extension QueueServer {
    // MARK: the worker on duty

    /// As leader: whether the assistant is at work.
    func considerAssistance() -> Bool {
        let isAssisted = assistance.isCalled.value == 1
        let verdict = assistance.judge.consider(
            hasBacklog: view.available.pointee.hasMore(than: AssistanceJudge.backlog), isAssisted: isAssisted,
            chains: popCount, at: monotonicNanoseconds())
        switch verdict {
        case .asBefore: return isAssisted
        case .call: return callAssistant()
        case .dismiss:
            assistance.isCalled.store(0)
            return false
        }
    }

    private func callAssistant() -> Bool {
        guard options.processors > 1, !isStopping else { return false }
        assistance.isCalled.store(1)
        if assistance.thread == nil { startAssistant() } else { assistance.isCalled.wake() }
        return true
    }

    /// Without one, whoever is called is never seen to help, and dismissed.
    private func startAssistant() {
        guard takeThread() else { return }
        let exchange = makeExchange()
        assistance.thread = try? OSThread(name: name + "+") { [self] in assist(with: exchange) }
        if assistance.thread == nil { returnThread() }
    }

    /// Serves a chain, as leader, but gives up the lead for that.
    ///
    /// It is walked before anybody else may pop: nothing behind a chain that breaks the ring is served.
    ///
    /// - Returns: false when the thread has neither lead nor duty any more.
    func serveAssisted(_ chain: PoppedChain, _ exchange: Exchange) throws(RingError) -> Bool {
        let view = view
        try view.available.pointee.walk(from: chain, into: &exchange.segments)
        leaveLead()
        guard serveWalked(chain, view, exchange, as: .worker) else { return false }
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

    // MARK: the assistant

    private func assist(with exchange: Exchange) {
        var spin = AdaptiveSpin(longest: options.pollNanoseconds)
        while !isStopping {
            assistance.isCalled.park(while: 0)
            while assistance.isCalled.value == 1, mayServe {
                var chain = popAlongside(exchange)
                if chain == nil {
                    _ = spin.spin {
                        chain = popAlongside(exchange)
                        return chain != nil || !mayServe
                    }
                }
                guard let (chain, view) = chain else { break }
                _ = serveWalked(chain, view, exchange, as: .assistant)
            }
            _ = assistance.isCalled.compareExchange(expected: 1, desired: 0)
        }
    }

    /// Takes a chain and walks it, as leader, and gives up the lead. Kicks are the business of the worker on duty.
    private func popAlongside(_ exchange: Exchange) -> (PoppedChain, RingView)? {
        guard takeLead() else { return nil }
        defer { leaveLead() }
        guard mayServe else { return nil }
        do throws(RingError) {
            guard let chain = try pop() else { return nil }
            try view.available.pointee.walk(from: chain, into: &exchange.segments)
            return (chain, view)
        } catch {
            breakRing(error)
            return nil
        }
    }

    /// The queue stops: nobody calls the assistant any more.
    func endAssistance() {
        guard let thread = assistance.thread.take() else { return }
        assistance.isCalled.store(1)
        assistance.isCalled.wake()
        thread.join()
    }
}
