import CKernel
import FUSEWire
import SystemPackage
public import Virtqueue

/// A request and the room for its reply, as one thread handles them: the chain's buffers, a private copy of what has to
/// be parsed, and the ways to write an answer into the client's memory.
///
/// It is scratch memory: each serving thread has one and uses it again for each request.
public final class Exchange: @unchecked Sendable {
    /// The buffers of the request being served. Set before ``FUSESession/serve(_:)``.
    @exclusivity(unchecked) public var segments: SegmentList
    let request = Request()

    /// The private copy of the request: header, arguments, names. Room for the largest SETXATTR.
    private let requestBytes = UnsafeMutableRawBufferPointer.allocate(byteCount: Exchange.largestRequest, alignment: 8)
    /// Where a payload is put together that can't be written straight into one buffer of the client's.
    private let bounceBytes = UnsafeMutableRawBufferPointer.allocate(byteCount: Exchange.largestBounce, alignment: 8)
    /// The client's buffers without the bytes of the headers.
    private let payloadSegments: UnsafeMutableBufferPointer<iovec>

    static let headerSize = MemoryLayout<fuse_in_header>.size
    static let replyHeaderSize = MemoryLayout<fuse_out_header>.size
    private static let largestRequest = 64 << 10 + 8 << 10
    private static let largestBounce = 1 << 20

    /// - Parameter queueSize: the most descriptors that a chain of the queue can have.
    public init(queueSize: UInt16) {
        segments = SegmentList(queueSize: queueSize)
        payloadSegments = .allocate(capacity: segments.capacity)
    }

    deinit {
        requestBytes.deallocate()
        bounceBytes.deallocate()
        payloadSegments.deallocate()
    }

    // MARK: the request

    /// Whether the client has the byte order that isn't this machine's, as far as this request goes.
    @exclusivity(unchecked) private(set) var isSwapped = false

    /// Copies the header out of the client's memory; nothing when the chain is too short or the header's own length
    /// is not what the chain holds.
    ///
    /// - Parameter sessionIsSwapped: the byte order of the session. INIT itself begins one and so tells its own (virtio
    ///   1.4, 5.11.6: fs.endian.device-detects).
    func readHeader(sessionIsSwapped: Bool) -> Bool {
        isSwapped = sessionIsSwapped
        request.header = fuse_in_header()
        let size = Self.headerSize
        guard segments.readableBytes >= UInt64(size) else { return false }
        let copy = UnsafeMutableRawBufferPointer(rebasing: requestBytes[..<size])
        gather(from: 0, into: copy)
        let header = copy.loadUnaligned(as: fuse_in_header.self)
        let initialize = Opcode.initialize.rawValue
        if header.opcode == initialize, isWhole(header) { isSwapped = false }
        if header.opcode == initialize.byteSwapped, isWhole(header.byteSwapped) { isSwapped = true }
        request.header = header.inOrder(swapped: isSwapped)
        return isWhole(request.header)
    }

    private func isWhole(_ header: fuse_in_header) -> Bool {
        header.len >= UInt32(Self.headerSize) && UInt64(header.len) <= segments.readableBytes
    }

    /// The whole request as a private copy, of which the first `limit` bytes at most. `readHeader` came before.
    func arguments(limit: Int = Exchange.largestRequest) throws(Errno) -> WireCursor {
        let length = Int(request.header.len)
        guard length <= Self.largestRequest || limit < Self.largestRequest else { throw .argListTooLong }
        let count = min(length, limit)
        let rest = UnsafeMutableRawBufferPointer(rebasing: requestBytes[Self.headerSize..<count])
        gather(from: Self.headerSize, into: rest)
        return WireCursor(UnsafeRawBufferPointer(rest), isSwapped: isSwapped)
    }

    /// The first bytes of the private copy, header included.
    func copiedRequest(count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: requestBytes[..<min(count, Int(request.header.len), Self.largestRequest)])
    }

    /// Copies bytes of the request from `offset` on.
    @inline(__always)
    func gather(from offset: Int, into target: UnsafeMutableRawBufferPointer) {
        // Nearly always they are in one piece, and how many they are is known where this is inlined.
        if let first = segments.readable.first, first.iov_len >= offset + target.count, let base = target.baseAddress {
            base.copyMemory(from: first.iov_base! + offset, byteCount: target.count)
        } else {
            gatherPieces(from: offset, into: target)
        }
    }

    private func gatherPieces(from offset: Int, into target: UnsafeMutableRawBufferPointer) {
        var skip = offset
        var filled = 0
        for segment in segments.readable where filled < target.count {
            guard skip < segment.iov_len else {
                skip -= segment.iov_len
                continue
            }
            let count = min(segment.iov_len - skip, target.count - filled)
            (target.baseAddress! + filled).copyMemory(from: segment.iov_base! + skip, byteCount: count)
            filled += count
            skip = 0
        }
    }

    /// The request's buffers from `offset` on, `count` bytes in all: what a WRITE carries.
    func requestPayload(from offset: Int, count: Int) -> UnsafeBufferPointer<iovec> {
        slice(segments.readable, from: offset, count: count)
    }

    // MARK: the reply

    /// Bytes that a reply can have behind its header; nothing when not even the header fits.
    var replyCapacity: Int? {
        let size = UInt64(Self.replyHeaderSize)
        return segments.writableBytes >= size ? Int(segments.writableBytes - size) : nil
    }

    /// The reply's buffers behind the header, `count` bytes in all: what a READ fills.
    func replyPayload(count: Int) -> UnsafeBufferPointer<iovec> {
        slice(segments.writable, from: Self.replyHeaderSize, count: count)
    }

    /// Writes a structure as the reply's payload. It fits: ``FUSESession`` has compared capacities beforehand.
    func reply<Value: WireStructure & BitwiseCopyable>(with value: Value) -> Int {
        withUnsafeBytes(of: value.inOrder(swapped: isSwapped)) { scatter($0, at: Self.replyHeaderSize) }
        return MemoryLayout<Value>.size
    }

    /// Lets `fill` write up to `count` bytes of payload: into the client's memory where that is in one piece.
    func reply(
        upTo count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(Errno) -> Int
    ) throws(Errno) -> Int {
        let pieces = replyPayload(count: count)
        if pieces.count == 1, pieces[0].iov_len == count {
            return try fill(UnsafeMutableRawBufferPointer(start: pieces[0].iov_base, count: count))
        }
        let bounce = UnsafeMutableRawBufferPointer(rebasing: bounceBytes[..<min(count, Self.largestBounce)])
        let filled = try fill(bounce)
        scatter(UnsafeRawBufferPointer(rebasing: bounce[..<filled]), at: Self.replyHeaderSize)
        return filled
    }

    /// Writes the reply's header; the bytes of the whole reply.
    func finish(payload: Int, error: Int32) -> UInt32 {
        let length = UInt32(Self.replyHeaderSize + payload)
        let header = fuse_out_header(len: length, error: -error, unique: request.header.unique)
        withUnsafeBytes(of: header.inOrder(swapped: isSwapped)) { scatter($0, at: 0) }
        return length
    }

    @inline(__always)
    private func scatter(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        if let first = segments.writable.first, first.iov_len >= offset + bytes.count, let base = bytes.baseAddress {
            (first.iov_base! + offset).copyMemory(from: base, byteCount: bytes.count)
        } else {
            scatterPieces(bytes, at: offset)
        }
    }

    private func scatterPieces(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        var skip = offset
        var taken = 0
        for segment in segments.writable where taken < bytes.count {
            guard skip < segment.iov_len else {
                skip -= segment.iov_len
                continue
            }
            let count = min(segment.iov_len - skip, bytes.count - taken)
            (segment.iov_base! + skip).copyMemory(from: bytes.baseAddress! + taken, byteCount: count)
            taken += count
            skip = 0
        }
    }

    private func slice(
        _ source: UnsafeMutableBufferPointer<iovec>, from offset: Int, count: Int
    ) -> UnsafeBufferPointer<iovec> {
        var skip = offset
        var left = count
        var used = 0
        for segment in source where left > 0 {
            guard skip < segment.iov_len else {
                skip -= segment.iov_len
                continue
            }
            let length = min(segment.iov_len - skip, left)
            payloadSegments[used] = iovec(iov_base: segment.iov_base! + skip, iov_len: length)
            used += 1
            left -= length
            skip = 0
        }
        return UnsafeBufferPointer(rebasing: payloadSegments[..<used])
    }
}
