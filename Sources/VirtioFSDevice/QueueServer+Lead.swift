import GuestMemory
import Synchronization
import Syscalls
import Virtio
import Virtqueue

extension QueueServer {
    func takeLead() -> Bool { lead.compareExchange(expected: 0, desired: 1) }

    func leaveLead() { lead.store(0) }

    private func suppressKicks() {
        view.available.pointee.suppressKicks()
        noteEvents()
    }

    /// Asks for kicks; whether the ring is empty.
    func armKicks() -> Bool {
        let isEmpty = view.available.pointee.armKicks()
        noteEvents()
        return isEmpty
    }

    private func noteEvents() {
        guard let log else { return }
        // Between the write and the look at the log: see WriteLog.isOn.
        fullFence()
        guard log.isOn, let usedRing = log.usedRing else { return }
        log.note { view.noteEvents(usedRing, into: $0) }
    }

    /// Serves what is available, as leader, until nothing is, and gives up the lead.
    ///
    /// - Parameter exchange: the calling worker's.
    /// - Returns: false when an operation blocked on the way, and somebody else has lead and duty now.
    func leadUntilEmpty(_ exchange: Exchange) -> Bool {
        if !view.available.pointee.isEmpty { spin.pointee.end() }
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
            let place = view.available.pointee.nextAvailable
            leaveLead()
            // A kick may have come between arming and leaving, and its thread have found the lead taken. So look once
            // more now that it can be taken; the fence pairs with the one in the driver's needsKick.
            fullFence()
            if view.available.pointee.isEmpty(at: place) || !takeLead() { return true }
        }
    }

    /// Serves until the ring is empty; false when the lead was lost to another thread.
    private func serveAvailable(_ exchange: Exchange) -> Bool {
        while mayServe {
            guard servePutAside(exchange, as: .leader) else { return false }
            if considerAssistance() {
                guard let isLeader = serveAssisted(exchange) else { return true }
                guard isLeader else { return false }
                continue
            }
            do throws(RingError) {
                guard let chain = try pop() else { return true }
                guard serve(chain, view, exchange, as: .leader) else { return false }
            } catch {
                breakRing(error)
                return true
            }
        }
        return true
    }

    /// Looks for new chains for a while; whether there are some.
    private func pollForMore() -> Bool {
        // Who kicks serves, too: to look would be to take their work away and hand it from one processor to another.
        if isLent.load(ordering: .relaxed) && isLent.exchange(false, ordering: .relaxed) { return false }
        guard number > 0 else { return coalesce() }
        let isFound = spin.pointee.spin {
            // What is available stays so while the queue stops, or is broken: nobody takes it any more.
            !mayServe || !view.available.pointee.isEmpty
        }
        return isFound && mayServe
    }

    /// Where several came since this was last asked, sleeps for a while without asking for kicks; whether there are more.
    private func coalesce() -> Bool {
        guard let nap = coalescing.nap(popped: popCount, size: size) else { return false }
        // It is this thread that has the lead: nobody but time wakes it.
        lead.park(while: 1, nanoseconds: nap)
        return mayServe && !view.available.pointee.isEmpty
    }
}
