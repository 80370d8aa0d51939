import Syscalls
import SystemPackage

extension QueueServer: BlockingHost {
    private enum Successor { case none, parked, new }

    /// Gives the queue to another worker, because this thread is about to block.
    func willBlock(_ request: Request) throws(Errno) {
        if request.role == .onLoan { throw .restart }
        guard !request.hasBlocked else { return }
        if let batch = request.batch { giveUp(batch) }
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

    func startWait(_ request: Request, _ action: @escaping @Sendable () -> Void) throws(Errno) -> Int {
        let wait = try session.interrupts.startWait(of: request.id, on: self, action)
        guard isStopping else { return wait }
        session.interrupts.endWait(wait)
        throw .interrupted
    }

    func endWait(_ wait: Int) { session.interrupts.endWait(wait) }
}
