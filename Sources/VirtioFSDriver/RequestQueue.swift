import CKernel
import FUSEWire
import GuestMemory
import Syscalls
import SystemPackage
import Virtio
import Virtqueue

/// One virtqueue as the driver uses it: request slots in guest memory, what is in flight, and what waits for a slot.
final class RequestQueue: @unchecked Sendable {
    enum Phase {
        /// Requests go out.
        case running
        /// Only the driver's own go out: the session is being set up. Others park.
        case settingUp
        /// Nothing goes out, and nothing that comes back is believed.
        case broken
        /// The device can't be brought up again: everything is answered with EIO.
        case dead
    }

    /// All that changes, behind one pointer and one lock, which is never held across a system call.
    private struct State: ~Copyable {
        var ring: DriverQueue
        var phase = Phase.settingUp
        /// Whether the device is asked for interrupts, and not somebody looks for what it returns.
        var wantsInterrupts = true
        /// Whether it is asked for them only when half of what is under way is back.
        var collects = false
        var freeSlots: [UInt16]
        var parked = ParkedRequests()
    }

    let number: Int
    let layout: SlotLayout
    private let region: GuestRegion
    private let firstSlot: GuestAddress
    private let slots: UnsafeMutableBufferPointer<RequestSlot>
    var slotCount: Int { slots.count }
    private let lock = Lock()
    private let state: UnsafeMutablePointer<State>
    private let replies: ReplySink
    private weak let driver: VirtioFSDriver?
    /// The device's, of this session; guarded by `lock`, because a thread may kick while the session is mended.
    @exclusivity(unchecked) private var doorbell: Doorbell?

    init(
        number: Int, ring: consuming DriverQueue, slotCount: Int, layout: SlotLayout, region: GuestRegion,
        firstSlot: GuestAddress, replies: ReplySink, driver: VirtioFSDriver
    ) {
        self.number = number
        self.layout = layout
        self.region = region
        self.firstSlot = firstSlot
        self.replies = replies
        self.driver = driver
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: RequestSlot())
        state = .allocate(capacity: 1)
        state.initialize(to: State(ring: ring, freeSlots: (0..<UInt16(slotCount)).reversed()))
        _ = state.pointee.ring.armInterrupts()
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
        slots.deallocate()
    }

    private func address(of slot: Int) -> GuestAddress { firstSlot + UInt64(slot * layout.stride) }

    /// Where a slot is in this process.
    func base(of slot: Int) -> UnsafeMutableRawPointer { region.pointer(at: address(of: slot)) }

    // MARK: sending

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

    /// Sets where to kick.
    func setDoorbell(_ doorbell: Doorbell) { lock.withLock { self.doorbell = doorbell } }

    /// What to ring once the lock is given back.
    private func doorbell(if wanted: Bool) -> Doorbell? { wanted ? doorbell : nil }

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
                return .sent(doorbell(if: recycle(slot)))
            }
        }
        switch outcome {
        case .sent(let bell): bell?.ring(lending: lending)
        case .refused:
            finish(takeRecord(slot), error: .ioError, payload: UnsafeRawBufferPointer(start: nil, count: 0))
            releaseSlot(slot)
        }
    }

    private enum Outcome {
        /// With what to ring, if the device wants to be told.
        case sent(Doorbell?)
        case refused
    }

    /// Sends a request that is somewhere else in private memory, now or when a slot gets free.
    func submitOrPark(_ request: UnsafeRawBufferPointer, call: PendingCall? = nil, lending: Bool = false) {
        let outcome = lock.withLock { () -> Outcome in
            guard state.pointee.phase != .dead else { return .refused }
            let free = state.pointee.phase == .running ? state.pointee.freeSlots.popLast() : nil
            guard let free else {
                state.pointee.parked.append(.init(bytes: Array(request), call: call))
                return .sent(nil)
            }
            return .sent(doorbell(if: send(request, call: call, in: Int(free))))
        }
        switch outcome {
        case .sent(let bell): bell?.ring(lending: lending)
        case .refused: refuse(request, call)
        }
    }

    /// Answers a request that no slot holds.
    private func refuse(_ request: UnsafeRawBufferPointer, _ call: PendingCall?, with error: Errno = .ioError) {
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
    private func recycle(_ slot: Int) -> Bool {
        if state.pointee.phase == .running, let parked = state.pointee.parked.removeFirst() {
            return parked.bytes.withUnsafeBytes { send($0, call: parked.call, in: slot) }
        }
        slots[slot].state = .free
        state.pointee.freeSlots.append(UInt16(slot))
        return false
    }

    // MARK: completing

    /// From here on, somebody calls ``completeUsed(polling:)`` without being told to, and nobody else takes replies: not
    /// for an interrupt either that was under way, or came though none was asked for.
    func stopInterrupts() {
        lock.withLock {
            state.pointee.wantsInterrupts = false
            state.pointee.ring.suppressInterrupts()
        }
    }

    /// Undoes ``stopInterrupts()``.
    ///
    /// - Parameter collecting: see ``Virtqueue/DriverQueue/armInterrupts(collecting:)``.
    func resumeInterrupts(collecting: Bool = false) {
        lock.withLock {
            state.pointee.wantsInterrupts = true
            state.pointee.collects = collecting
        }
        completeUsed()
    }

    /// Takes what the device has returned and delivers the replies, on the calling thread: the queue's interrupt
    /// handler.
    ///
    /// - Parameter polling: whether the caller is who has told interrupts to stop.
    func completeUsed(polling: Bool = false) {
        var finished: Int?
        while true {
            var bell: Doorbell?
            let next = lock.withLock { () -> Completion in
                if let slot = finished { bell = doorbell(if: recycle(slot)) }
                return polling || state.pointee.wantsInterrupts ? nextUsed() : .nothing
            }
            bell?.ring(lending: false)
            switch next {
            case .nothing: return
            case .broken(let error):
                driver?.ringBroke(self, error)
                return
            case .reply(let slot, let written):
                deliver(slot, written: written)
                finished = slot
            }
        }
    }

    private enum Completion {
        case nothing
        case broken(RingError)
        case reply(slot: Int, written: UInt32)
    }

    /// The next returned chain, under the lock. With none left, an interrupt is asked for.
    private func nextUsed() -> Completion {
        guard state.pointee.phase != .broken && state.pointee.phase != .dead else { return .nothing }
        do throws(RingError) {
            repeat {
                if let (token, written) = try state.pointee.ring.popUsed() {
                    slots[Int(token)].state = .held
                    return .reply(slot: Int(token), written: written)
                }
            } while state.pointee.wantsInterrupts
                && !state.pointee.ring.armInterrupts(collecting: state.pointee.collects)
            return .nothing
        } catch {
            state.pointee.phase = .broken
            return .broken(error)
        }
    }

    private func deliver(_ slot: Int, written: UInt32) {
        let record = takeRecord(slot)
        guard record.shape != .none else { return }
        var error: Errno?
        var payload = UnsafeRawBufferPointer(start: nil, count: 0)
        do throws(Errno) {
            let count = try checkedPayload(of: record, written: written, base: base(of: slot))
            payload = UnsafeRawBufferPointer(start: base(of: slot) + record.replyPayloadOffset, count: count)
        } catch let failure {
            error = failure
        }
        finish(record, error: error, payload: payload)
    }

    /// What the driver knows of the slot's request, and the right to answer it.
    private func takeRecord(_ slot: Int) -> RequestSlot {
        let record = slots[slot]
        slots[slot].call = nil
        return record
    }

    /// Bytes of payload of a successful reply.
    ///
    /// - Throws: the reply's error, or EIO for a reply that is none: its header is copied once and the copy is checked
    ///   as the kernel checks what a FUSE server writes (fuse_dev_do_write, fs/fuse/dev.c).
    private func checkedPayload(
        of record: RequestSlot, written: UInt32, base: UnsafeMutableRawPointer
    ) throws(Errno) -> Int {
        let size = MemoryLayout<fuse_out_header>.size
        guard written >= UInt32(size) else { throw .ioError }
        let header = (base + SlotLayout.replyOffset).loadUnaligned(as: fuse_out_header.self)
        guard header.len == written, header.unique == record.id.rawValue, header.error <= 0, header.error > -512 else {
            throw .ioError
        }
        let count = Int(written) - size
        if header.error != 0 { throw count == 0 ? Errno(rawValue: -header.error) : .ioError }
        if case .fixed(let expected) = record.shape, count != expected { throw .ioError }
        return count
    }

    private func finish(_ record: RequestSlot, error: Errno?, payload: UnsafeRawBufferPointer) {
        guard record.shape != .none else { return }
        let reply = Reply(id: record.id, opcode: record.opcode, error: error, payload: payload)
        if error == nil, let opcode = Opcode(rawValue: record.opcode) {
            replies.ledger.count(opcode, payload: payload)
        }
        guard let call = record.call else { return replies.deliver(reply) }
        call.takeRetainedValue().finish(reply)
    }

    // MARK: breaking and mending

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
    private func slots(in wanted: RequestSlot.State) -> [Int] {
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
        if state.pointee.wantsInterrupts {
            _ = state.pointee.ring.armInterrupts()
        } else {
            state.pointee.ring.suppressInterrupts()
        }
        state.pointee.phase = .settingUp
        for slot in slots(in: .lost) { slots[slot].state = .free }
        state.pointee.freeSlots = slots(in: .free).map { UInt16($0) }
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
