import CKernel
import FUSEWire
import GuestMemory
import Syscalls
import SystemPackage
import Virtio
import Virtqueue

extension RequestQueue {
    /// Takes a free slot, to be filled and then submitted or released.
    ///
    /// - Parameter keeping: free slots that have to be left. Who may hold a slot for long before it is filled leaves
    ///   one: what is parked would wait for it.
    func acquireSlot(keeping: Int = 0) -> Int? {
        lock.withLock {
            guard state.pointee.freeSlots.count > keeping else { return nil }
            guard let slot = state.pointee.freeSlots.popLast() else { return nil }
            slots[Int(slot)].state = .held
            return Int(slot)
        }
    }

    /// Gives back a slot that was acquired and not submitted.
    func releaseSlot(_ slot: Int) {
        let bell = lock.withLock { () -> Doorbell? in doorbell(if: recycle(slot)) }
        bell?.ring(lending: false)
    }

    /// Sends the request of `length` bytes that the slot holds, or parks it while no session is up.
    ///
    /// - Parameters:
    ///   - head: the first 80 bytes of the request, or all of it if it is shorter, in private memory; what is beyond
    ///     is in the slot's payload already.
    ///   - internally: whether this is one of the driver's own, which go out while the session is set up.
    ///   - lending: see ``Virtio/Doorbell/ring(lending:)``.
    func submit(
        _ slot: Int, head: UnsafeRawBufferPointer, length: Int, call: PendingCall? = nil, internally: Bool = false,
        lending: Bool
    ) {
        let headCount = min(head.count, SlotLayout.headSize, length)
        (base(of: slot) + SlotLayout.headOffset).copyMemory(from: head.baseAddress!, byteCount: headCount)
        describe(slot, head: head, length: length, call: call)
        let outcome = lock.withLock { () -> Outcome in
            switch state.pointee.phase {
            case .running: return .sent(doorbell(if: makeAvailable(slot, length: length)))
            case .settingUp where internally: return .sent(doorbell(if: makeAvailable(slot, length: length)))
            case .broken where internally, .dead: return .refused
            case .settingUp, .broken:
                park(slot, head: head, length: length, call: call)
                return .parked
            }
        }
        switch outcome {
        case .sent(let bell): bell?.ring(lending: lending)
        case .parked: releaseSlot(slot)
        case .refused:
            finish(takeRecord(slot), error: .ioError, payload: UnsafeRawBufferPointer(start: nil, count: 0))
            releaseSlot(slot)
        }
    }

    private enum Outcome {
        /// With what to ring, if the device wants to be told.
        case sent(Doorbell?)
        case parked
        case refused
    }

    /// Sends a request that is somewhere else in private memory, now or when a slot gets free.
    ///
    /// - Returns: false if it waits for a slot, or for a session.
    @discardableResult
    func submitOrPark(_ request: UnsafeRawBufferPointer, call: PendingCall? = nil, lending: Bool = false) -> Bool {
        let outcome = lock.withLock { () -> Outcome in
            guard state.pointee.phase != .dead else { return .refused }
            let free = state.pointee.phase == .running ? state.pointee.freeSlots.popLast() : nil
            guard let free else {
                state.pointee.parked.append(.init(bytes: Array(request), call: call))
                return .parked
            }
            return .sent(doorbell(if: send(request, call: call, in: Int(free))))
        }
        switch outcome {
        case .sent(let bell): bell?.ring(lending: lending)
        case .parked: return false
        case .refused: refuse(request, call)
        }
        return true
    }

    /// Sends a request that nobody waits for. No interrupt is asked for: slots that the device is done with are taken back
    /// here, with the next request. Only when there is none does an interrupt have to say when there is one again.
    func post(_ request: UnsafeRawBufferPointer, lending: Bool) {
        completeUsed(polling: true)
        if !submitOrPark(request, lending: lending) { resumeInterrupts() }
    }

    /// Answers a request that no slot holds.
    func refuse(_ request: UnsafeRawBufferPointer, _ call: PendingCall?, with error: Errno = .ioError) {
        guard let head = RequestHead(request), Opcode(rawValue: head.opcode)?.hasNoReply != true else { return }
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        let reply = Reply(id: head.id, opcode: head.opcode, error: error, payload: nothing)
        if let call { call.finish(reply) } else { replies.deliver(reply) }
    }

    /// Requests that wait for a slot.
    var parked: [RequestHead] { lock.withLock { state.pointee.parked.heads } }

    /// Takes back a request that has not gone out yet and answers it EINTR, if `mayEnd` says so; whether there was one of
    /// that id.
    func interruptParked(_ id: RequestID, if mayEnd: (RequestHead) -> Bool) -> Bool {
        guard let head = lock.withLock({ state.pointee.parked.head(id) }) else { return false }
        guard mayEnd(head) else { return true }
        guard let parked = lock.withLock({ state.pointee.parked.remove(id) }) else { return false }
        parked.bytes.withUnsafeBytes { refuse($0, parked.call, with: .interrupted) }
        return true
    }

    /// Fills a slot with a request and makes it available, under the lock; whether to kick.
    private func send(_ request: UnsafeRawBufferPointer, call: PendingCall?, in slot: Int) -> Bool {
        let target = base(of: slot) + SlotLayout.headOffset
        target.copyMemory(from: request.baseAddress!, byteCount: request.count)
        describe(slot, head: request, length: request.count, call: call)
        return makeAvailable(slot, length: request.count)
    }

    /// Notes in private memory what the slot's request is and what its reply can be.
    private func describe(_ slot: Int, head: UnsafeRawBufferPointer, length: Int, call: PendingCall?) {
        let facts = RequestHead(head)!
        let shape = Opcode(rawValue: facts.opcode).map { ReplyShape(opcode: $0, request: head) } ?? .fixed(0)
        slots[slot].id = facts.id
        slots[slot].opcode = facts.opcode
        slots[slot].shape = shape
        slots[slot].call = call.map { Unmanaged.passRetained($0) }
        guard shape.capacity > SlotLayout.largestShortReply else {
            slots[slot].replyPayloadOffset = SlotLayout.replyOffset + MemoryLayout<fuse_out_header>.size
            return
        }
        // Behind what of the request reaches into the payload: names, of GETXATTR for example.
        let extra = max(0, length - SlotLayout.headSize)
        slots[slot].replyPayloadOffset = SlotLayout.payloadOffset + (extra + 63) & ~63
    }

    /// Puts the slot's chain into the ring, under the lock; whether the device wants a kick.
    private func makeAvailable(_ slot: Int, length: Int) -> Bool {
        let start = address(of: slot)
        let record = slots[slot]
        let request = GuestBuffer(start + UInt64(SlotLayout.headOffset), count: UInt32(length))
        let header = MemoryLayout<fuse_out_header>.size
        let capacity = min(record.shape.capacity, layout.stride - record.replyPayloadOffset)
        let isShort = record.replyPayloadOffset < SlotLayout.payloadOffset
        let reply = GuestBuffer(
            start + UInt64(SlotLayout.replyOffset), count: UInt32(isShort ? header + capacity : header))
        let pages = GuestBuffer(start + UInt64(record.replyPayloadOffset), count: UInt32(capacity))
        let writableCount = record.shape == .none ? 0 : isShort ? 1 : 2
        slots[slot].state = .inFlight
        let added = withUnsafePointer(to: request) { readable in
            withUnsafePointer(to: (reply, pages)) { pair in
                pair.withMemoryRebound(to: GuestBuffer.self, capacity: 2) { writable in
                    state.pointee.ring.add(
                        readable: UnsafeBufferPointer(start: readable, count: 1),
                        writable: UnsafeBufferPointer(start: writable, count: writableCount),
                        table: table(of: slot), token: UInt32(slot))
                }
            }
        }
        precondition(added, "there are no more slots than the ring has room for")
        return state.pointee.ring.needsKick()
    }

    private func table(of slot: Int) -> IndirectTable {
        IndirectTable(address: address(of: slot), pointer: base(of: slot), capacity: SlotLayout.tableEntries)
    }

    /// Keeps a copy of the slot's request for later, under the lock.
    private func park(_ slot: Int, head: UnsafeRawBufferPointer, length: Int, call: PendingCall?) {
        slots[slot].call?.release()
        slots[slot].call = nil
        var bytes = Array(head.prefix(min(length, SlotLayout.headSize)))
        if length > SlotLayout.headSize {
            let rest = base(of: slot) + SlotLayout.payloadOffset
            bytes.append(contentsOf: UnsafeRawBufferPointer(start: rest, count: length - SlotLayout.headSize))
        }
        state.pointee.parked.append(.init(bytes: bytes, call: call))
    }

    /// Gives a slot to the first parked request, or to the free ones, under the lock; whether to kick.
    func recycle(_ slot: Int) -> Bool {
        if state.pointee.phase == .running, let parked = state.pointee.parked.removeFirst() {
            return parked.bytes.withUnsafeBytes { send($0, call: parked.call, in: slot) }
        }
        slots[slot].state = .free
        state.pointee.freeSlots.append(UInt16(slot))
        return false
    }
}
