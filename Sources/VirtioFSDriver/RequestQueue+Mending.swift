import SystemPackage
import Syscalls
import Virtio
import Virtqueue

extension RequestQueue {
    /// Answers EIO to everything in flight, once. Parked requests wait for the next session. Never waits.
    func fail() {
        let lost = lock.withLock { () -> [RequestSlot] in
            state.pointee.phase = .broken
            let lost = slots(in: .inFlight)
            for slot in lost { slots[slot].state = .lost }
            return lost.map(takeRecord)
        }
        for record in lost {
            finish(record, error: .ioError, payload: UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }

    /// Slots in that state, under the lock. Nothing else of them is looked at: who holds one fills it meanwhile.
    func slots(in wanted: RequestSlot.State) -> [Int] {
        slots.indices.filter { (slots.baseAddress! + $0).pointee.state == wanted }
    }

    /// Answers EIO to everything, parked requests too, from here on.
    func die() {
        fail()
        var parked: [ParkedRequests.Parked] = []
        lock.withLock {
            state.pointee.phase = .dead
            while let request = state.pointee.parked.removeFirst() { parked.append(request) }
        }
        for request in parked { request.bytes.withUnsafeBytes { refuse($0, request.call) } }
    }

    /// Goes on with a fresh ring; the device has let go of the old one.
    func restart(_ ring: consuming DriverQueue) {
        lock.lock()
        defer { lock.unlock() }
        state.pointee.ring = ring
        askForInterrupts()
        state.pointee.phase = .settingUp
        for slot in slots(in: .lost) { slots[slot].state = .free }
        state.pointee.freeSlots = slots(in: .free).map { UInt16($0) }
    }

    /// Tells the device of a fresh ring whether it is to interrupt.
    func askForInterrupts() {
        if state.pointee.wantsInterrupts {
            _ = state.pointee.ring.armInterrupts()
        } else {
            state.pointee.ring.suppressInterrupts()
        }
    }

    /// The session is up: requests go out, the parked ones first.
    func resume() {
        let bell = lock.withLock { () -> Doorbell? in
            state.pointee.phase = .running
            var kick = false
            while !state.pointee.parked.isEmpty, let slot = state.pointee.freeSlots.popLast() {
                if recycle(Int(slot)) { kick = true }
            }
            return doorbell(if: kick)
        }
        bell?.ring(lending: false)
    }
}
