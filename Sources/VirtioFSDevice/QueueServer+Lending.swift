import GuestMemory
import Synchronization
import Syscalls
import Virtio
import Virtqueue

extension QueueServer {
    /// Serves the queue on the thread that kicked; false when a worker has to.
    ///
    /// It has the lead only while it pops, not while it serves: what is made available meanwhile is served by the
    /// thread that kicks for it. So requests run in parallel where processors are idle, and one that takes long holds
    /// up none behind it.
    func serveOnLoan() -> Bool {
        guard takeLead() else { return false }
        isLent.store(true, ordering: .relaxed)
        assistance.isNeedless.store(true, ordering: .relaxed)
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
                if let popped { try view.available.pointee.walk(from: popped, into: &exchange.segments) }
                chain = popped
            } catch {
                breakRing(error)
            }
        }
        let view = view
        _ = armKicks()
        let place = view.available.pointee.nextAvailable
        leaveLead()
        // Whoever kicked since found the lead taken or was told that no kick is wanted. That work is for the worker;
        // the fence pairs with the one in the driver's needsKick.
        fullFence()
        if mayServe && !view.available.pointee.isEmpty(at: place) { doorbell.wake() }
        return chain.map { ($0, view) }
    }

    private func takeExchange() -> Exchange {
        stateLock.withLock { lentExchanges.popLast() } ?? makeExchange(batching: false)
    }

    private func returnExchange(_ exchange: Exchange) { stateLock.withLock { lentExchanges.append(exchange) } }
}
