public import CKernel
import GuestMemory

/// The buffers of one descriptor chain, translated: first what the device may read, then what it may write.
///
/// It is scratch memory of one worker, used again for each chain, so that no chain costs an allocation.
@safe public struct SegmentList: ~Copyable, @unchecked Sendable {
    private let storage: UnsafeMutableBufferPointer<iovec>
    private var count = 0
    private var readableCount = 0
    /// Bytes the device may read.
    public private(set) var readableBytes: UInt64 = 0
    /// Bytes the device may write.
    public private(set) var writableBytes: UInt64 = 0

    /// - Parameter queueSize: a chain has at most this many descriptors; each may span two regions.
    public init(queueSize: UInt16) {
        unsafe storage = .allocate(capacity: 2 * Int(queueSize) + 2)
    }

    deinit { unsafe storage.deallocate() }

    /// The most buffers it can hold.
    public var capacity: Int { unsafe storage.count }

    public var readable: UnsafeMutableBufferPointer<iovec> {
        unsafe UnsafeMutableBufferPointer(rebasing: storage[..<readableCount])
    }

    public var writable: UnsafeMutableBufferPointer<iovec> {
        unsafe UnsafeMutableBufferPointer(rebasing: storage[readableCount..<count])
    }

    public mutating func removeAll() {
        count = 0
        readableCount = 0
        readableBytes = 0
        writableBytes = 0
    }

    /// Takes buffers of this process's own in place of a chain's, for who serves requests without a ring.
    public mutating func replaceAll(readable: (iovec, iovec), writable: iovec) {
        removeAll()
        unsafe appendNonEmpty(readable.0)
        unsafe appendNonEmpty(readable.1)
        readableCount = count
        unsafe appendNonEmpty(writable)
        readableBytes = unsafe UInt64(readable.0.iov_len + readable.1.iov_len)
        writableBytes = unsafe UInt64(writable.iov_len)
    }

    private mutating func appendNonEmpty(_ segment: iovec) {
        guard unsafe segment.iov_len > 0 else { return }
        unsafe storage[count] = unsafe segment
        count += 1
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
            guard let (base, available) = unsafe memory.locate(next) else {
                throw .bufferOutsideMemory(address, count: length)
            }
            let taken = min(remaining, available)
            try unsafe appendSegment(iovec(iov_base: base, iov_len: Int(taken)))
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
        guard unsafe count < storage.count else { throw .chainTooLong }
        unsafe storage[count] = unsafe segment
        count += 1
    }
}
