import CKernel

/// The one way in which bytes of a message become values: front to back, each checked against what is left.
///
/// It reads private memory only: who uses it has copied the message out of guest memory.
@safe public struct WireCursor {
    @usableFromInline var next: UnsafeRawPointer
    /// Bytes that are left.
    public private(set) var remaining: Int
    /// Whether numbers come in the byte order that isn't this machine's.
    private let isSwapped: Bool

    public init(_ bytes: UnsafeRawBufferPointer, isSwapped: Bool = false) {
        self.isSwapped = isSwapped
        unsafe next = unsafe bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)!
        remaining = bytes.count
    }

    /// Takes a structure of linux/fuse.h.
    public mutating func consume<Value: WireStructure & BitwiseCopyable>(_ type: Value.Type) throws(DecodeError)
        -> Value
    {
        let size = MemoryLayout<Value>.size
        guard remaining >= size else { throw .short(needed: size, have: remaining) }
        let value = unsafe next.loadUnaligned(as: Value.self)
        advance(size)
        return value.inOrder(swapped: isSwapped)
    }

    /// Takes a name, up to and including its terminating zero.
    public mutating func consumeName() throws(DecodeError) -> FileName {
        guard remaining > 0, let end = unsafe memchr(next, 0, remaining) else { throw .unterminated }
        let count = unsafe UnsafeRawPointer(end) - next
        let name = unsafe FileName(pointer: next.assumingMemoryBound(to: CChar.self), count: count)
        advance(count + 1)
        return name
    }

    /// Takes `count` bytes as they are.
    public mutating func consumeBytes(_ count: Int) throws(DecodeError) -> UnsafeRawBufferPointer {
        guard count >= 0, remaining >= count else { throw .short(needed: count, have: remaining) }
        let bytes = unsafe UnsafeRawBufferPointer(start: next, count: count)
        advance(count)
        return unsafe bytes
    }

    private mutating func advance(_ count: Int) {
        unsafe next += count
        remaining -= count
    }
}
