import CKernel
import FUSEWire
import SystemPackage

extension VirtioFSDriver {
    /// Sends a FORGET, BATCH_FORGET or INTERRUPT on the hiprio queue and on no other (virtio 1.4, 5.11.6.2:
    /// fs.hiprio.driver-exclusive). None of them is answered.
    ///
    /// - Parameter lending: see ``Virtio/Doorbell/ring(lending:)``.
    func sendHighPriority(_ bytes: UnsafeRawBufferPointer, lending: Bool = false) {
        guard let head = RequestHead(bytes) else { return }
        let arguments = UnsafeRawBufferPointer(rebasing: bytes[MemoryLayout<fuse_in_header>.size...])
        // Only a batch can be sent in pieces.
        guard bytes.count <= hiprioQueue.layout.largestRequest || head.opcode == Opcode.batchForget.rawValue else {
            return
        }
        switch Opcode(rawValue: head.opcode) {
        case .forget where arguments.count >= MemoryLayout<fuse_forget_in>.size:
            ledger.forget(arguments.loadUnaligned(as: UInt64.self))
            submitHighPriority(bytes, lending: lending)
        case .interrupt where arguments.count >= MemoryLayout<fuse_interrupt_in>.size:
            interrupt(RequestID(rawValue: arguments.loadUnaligned(as: UInt64.self)), bytes, lending: lending)
        case .batchForget:
            sendBatch(header: bytes.loadUnaligned(as: fuse_in_header.self), arguments, lending: lending)
        default: break
        }
    }

    /// A request that has not gone out yet is answered here, or left to go out; of any other the device is told.
    private func interrupt(_ target: RequestID, _ bytes: UnsafeRawBufferPointer, lending: Bool) {
        if queues.contains(where: { $0.interruptParked(target, if: endsParked) }) { return }
        submitHighPriority(bytes, lending: lending)
    }

    /// Sends a batch in pieces that fit a slot of the hiprio queue.
    private func sendBatch(header: fuse_in_header, _ arguments: UnsafeRawBufferPointer, lending: Bool) {
        let entrySize = MemoryLayout<fuse_forget_one>.size
        let prefix = MemoryLayout<fuse_batch_forget_in>.size
        let room = hiprioQueue.layout.payloadSize / entrySize
        var rest = arguments.dropFirst(prefix)
        while rest.count >= entrySize {
            let count = min(room, rest.count / entrySize)
            let piece = rest.prefix(count * entrySize)
            rest = rest.dropFirst(piece.count)
            for index in 0..<count {
                let entry = UnsafeRawBufferPointer(rebasing: piece.dropFirst(index * entrySize))
                ledger.forget(entry.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            }
            var part = header
            part.len = UInt32(MemoryLayout<fuse_in_header>.size + prefix + piece.count)
            var message = withUnsafeBytes(of: part) { Array($0) }
            withUnsafeBytes(of: fuse_batch_forget_in(count: UInt32(count), dummy: 0)) { message.append(contentsOf: $0) }
            message.append(contentsOf: piece)
            message.withUnsafeBytes { submitHighPriority($0, lending: lending) }
        }
    }
}
