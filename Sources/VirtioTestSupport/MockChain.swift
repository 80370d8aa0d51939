public import CKernel
import GuestMemory
import Syscalls

/// A chain that a driver has made available to a ``MockDevice``, for a script to answer, well or badly.
public struct MockChain: @unchecked Sendable {
    /// Its first descriptor.
    public let head: UInt16
    public let queue: MockDeviceQueue
    /// A copy of what the device may read.
    public let request: [UInt8]
    /// Where the device may write, in this process: address and bytes.
    public let writable: [UnsafeMutableRawBufferPointer]
    /// Where the request is, in this process.
    public let readable: [UnsafeMutableRawBufferPointer]

    /// Walks a chain. It traps at what no driver may send: a mock device tests drivers.
    init(head: UInt16, queue: MockDeviceQueue) {
        self.head = head
        self.queue = queue
        var (readable, writable): ([UnsafeMutableRawBufferPointer], [UnsafeMutableRawBufferPointer]) = ([], [])
        for descriptor in Self.descriptors(from: head, queue) {
            let base = queue.memory.translate(GuestAddress(descriptor.address), count: UInt64(descriptor.length))
            let buffer = UnsafeMutableRawBufferPointer(start: base!, count: Int(descriptor.length))
            if descriptor.flags & RawDescriptor.write != 0 {
                writable.append(buffer)
            } else {
                precondition(writable.isEmpty, "a readable buffer behind a writable one")
                readable.append(buffer)
            }
        }
        request = readable.flatMap { Array($0) }
        (self.readable, self.writable) = (readable, writable)
    }

    private static func descriptors(from head: UInt16, _ queue: MockDeviceQueue) -> [RawDescriptor] {
        precondition(head < queue.ring.size, "a head that is none")
        var chain = [queue.ring.descriptor(head)]
        while let last = chain.last, last.flags & RawDescriptor.next != 0 {
            precondition(chain.count < queue.ring.size, "a chain longer than its queue")
            chain.append(queue.ring.descriptor(last.next))
        }
        guard let last = chain.last, last.flags & RawDescriptor.indirect != 0 else { return chain }
        let count = Int(last.length) / 16
        let table = queue.memory.translate(GuestAddress(last.address), count: UInt64(last.length))!
        let entries = (0..<count).map { index in
            let entry = table + 16 * index
            return RawDescriptor(
                address: entry.loadUnaligned(as: UInt64.self),
                length: entry.loadUnaligned(fromByteOffset: 8, as: UInt32.self),
                flags: entry.loadUnaligned(fromByteOffset: 12, as: UInt16.self),
                next: entry.loadUnaligned(fromByteOffset: 14, as: UInt16.self))
        }
        chain[chain.count - 1] = entries[0]
        while let last = chain.last, last.flags & RawDescriptor.next != 0 { chain.append(entries[Int(last.next)]) }
        return chain
    }

    /// The request's header; zeros where the request is shorter.
    public var header: fuse_in_header {
        guard request.count >= MemoryLayout<fuse_in_header>.size else { return fuse_in_header() }
        return request.withUnsafeBytes { $0.loadUnaligned(as: fuse_in_header.self) }
    }

    /// Bytes that the device may write.
    public var capacity: Int { writable.reduce(0) { $0 + $1.count } }

    // MARK: answering

    /// Writes bytes into the writable buffers, as many as there is room for: how many.
    @discardableResult
    public func write(_ bytes: [UInt8]) -> Int {
        var rest = bytes[...]
        for buffer in writable {
            let piece = rest.prefix(buffer.count)
            UnsafeMutableRawBufferPointer(rebasing: buffer[..<piece.count]).copyBytes(from: piece)
            rest = rest.dropFirst(piece.count)
        }
        return bytes.count - rest.count
    }

    /// Returns the chain, or anything in its place.
    ///
    /// - Parameters:
    ///   - bytes: what is written into it.
    ///   - length: the used length; nothing for what was written.
    ///   - id: the used id; nothing for the chain's own.
    public func finish(_ bytes: [UInt8] = [], length: UInt32? = nil, id: UInt32? = nil) {
        let written = write(bytes)
        queue.returnChain(id: id ?? UInt32(head), length: length ?? UInt32(written))
    }

    /// Answers as a device should.
    ///
    /// - Parameter error: zero, or a negative errno.
    public func answer(error: Int32 = 0, payload: [UInt8] = []) {
        guard !writable.isEmpty else { return finish() }
        finish(FUSEReply.bytes(unique: header.unique, error: error, payload: payload))
    }
}
