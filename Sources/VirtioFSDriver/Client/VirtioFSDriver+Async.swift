import CKernel
import FUSEWire
import SystemPackage

extension VirtioFSDriver {
    /// Sends a request, suspends the task, and hands it the reply's value.
    ///
    /// - Parameters:
    ///   - request: header, arguments and names; the header holds the length of request and `data` together.
    ///   - data: what follows. Read before this suspends.
    func call<Value: Sendable>(
        _ request: [UInt8], data: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        isInterruptible: Bool = true, receive: @escaping (UnsafeRawBufferPointer) -> Result<Value, Errno>
    ) async throws(Errno) -> Value {
        let call = AsyncCall(receive)
        let head = RequestHead(request)!
        guard isInterruptible else {
            return try await withUnsafeContinuation { submit(request, head, data, call, $0) }.get()
        }
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                submit(request, head, data, call, continuation)
                if call.noteSent() { interrupt(head.id) }
            }
        } onCancel: {
            if call.noteCancelled() { interrupt(head.id) }
        }
        return try result.get()
    }

    private func submit<Value>(
        _ request: [UInt8], _ head: RequestHead, _ data: UnsafeRawBufferPointer, _ call: AsyncCall<Value>,
        _ continuation: UnsafeContinuation<Result<Value, Errno>, Never>
    ) {
        call.continuation = continuation
        // INIT goes out while all others still park.
        let isFirst = head.opcode == Opcode.initialize.rawValue
        // Calls spread over the queues by their numbers, of which every second is used.
        let queue = requestQueue(Int(truncatingIfNeeded: head.id.rawValue / 2 & 0xffff))
        guard let slot = queue.acquireSlot() else {
            return (request + data).withUnsafeBytes { queue.submitOrPark($0, call: call) }
        }
        request.withUnsafeBytes { bytes in
            let rest = bytes.dropFirst(SlotLayout.headSize)
            let payload = UnsafeMutableRawBufferPointer(
                start: queue.base(of: slot) + SlotLayout.payloadOffset, count: rest.count + data.count)
            payload.copyBytes(from: rest)
            UnsafeMutableRawBufferPointer(rebasing: payload[rest.count...]).copyMemory(from: data)
            queue.submit(
                slot, head: bytes, length: bytes.count + data.count, call: call, internally: isFirst, lending: false)
        }
    }

    /// Tells the device that a call of that id is to be broken off (INTERRUPT).
    private func interrupt(_ target: RequestID) {
        let id = RequestID(rawValue: target.rawValue | 1)
        var request = RequestEncoder(.interrupt, NodeID(rawValue: 0), id: id, as: .root)
        request.append(fuse_interrupt_in(unique: target.rawValue))
        request.seal(extra: 0)
        post(request.bytes)
    }
}
