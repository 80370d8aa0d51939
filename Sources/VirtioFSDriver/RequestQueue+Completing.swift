import CKernel
import FUSEWire
import SystemPackage
import Syscalls
import Virtio
import Virtqueue

extension RequestQueue {
    /// From here on, somebody calls ``completeUsed(polling:)`` without being told to, and nobody else takes replies: not
    /// for an interrupt either that was under way, or came though none was asked for.
    func stopInterrupts() {
        lock.withLock { suppressInterrupts() }
    }

    private func suppressInterrupts() {
        state.pointee.wantsInterrupts = false
        state.pointee.ring.suppressInterrupts()
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
    /// - Parameter polling: whether the caller looks without an interrupt, on a queue that asks for none.
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
                if isUnanswered, state.pointee.parked.isEmpty { suppressInterrupts() }
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
    func takeRecord(_ slot: Int) -> RequestSlot {
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

    func finish(_ record: RequestSlot, error: Errno?, payload: UnsafeRawBufferPointer) {
        guard record.shape != .none else { return }
        let reply = Reply(id: record.id, opcode: record.opcode, error: error, payload: payload)
        if error == nil, let opcode = Opcode(rawValue: record.opcode) {
            replies.ledger.count(opcode, payload: payload)
        }
        guard let call = record.call else { return replies.deliver(reply) }
        call.takeRetainedValue().finish(reply)
    }
}
