public import CKernel
import GuestMemory

/// The buffers of one descriptor chain, translated: first what the device may read, then what it may write.
///
/// It is scratch memory of one worker, used again for each chain, so that no chain costs an allocation.
public struct SegmentList: ~Copyable, @unchecked Sendable {
    private let storage: UnsafeMutableBufferPointer<iovec>
    private var count = 0
    private var readableCount = 0
    /// Bytes the device may read.
    public private(set) var readableBytes: UInt64 = 0
    /// Bytes the device may write.
    public private(set) var writableBytes: UInt64 = 0

    /// - Parameter queueSize: a chain has at most this many descriptors; each may span two regions.
    public init(queueSize: UInt16) {
        storage = .allocate(capacity: 2 * Int(queueSize) + 2)
    }

    deinit { storage.deallocate() }

    public var readable: UnsafeMutableBufferPointer<iovec> {
        UnsafeMutableBufferPointer(rebasing: storage[..<readableCount])
    }

    public var writable: UnsafeMutableBufferPointer<iovec> {
        UnsafeMutableBufferPointer(rebasing: storage[readableCount..<count])
    }

    public mutating func removeAll() {
        count = 0
        readableCount = 0
        readableBytes = 0
        writableBytes = 0
    }

    /// Appends one descriptor's buffer.
    mutating func append(
        _ address: GuestAddress, count length: UInt32, writable: Bool, in memory: GuestMemoryMap
    ) throws(RingError) {
        if !writable && count > readableCount { throw .readableAfterWritable }
        guard readableBytes + writableBytes + UInt64(length) <= 1 << 32 else { throw .chainTooLarge }
        var next = address
        var remaining = UInt64(length)
        while remaining > 0 {
            guard let (base, available) = memory.locate(next) else {
                throw .bufferOutsideMemory(address, count: length)
            }
            let taken = min(remaining, available)
            try appendSegment(iovec(iov_base: base, iov_len: Int(taken)))
            remaining -= taken
            next = next + taken
        }
        if writable {
            writableBytes += UInt64(length)
        } else {
            readableBytes += UInt64(length)
            readableCount = count
        }
    }

    private mutating func appendSegment(_ segment: iovec) throws(RingError) {
        guard count < storage.count else { throw .chainTooLong }
        storage[count] = segment
        count += 1
    }
}
