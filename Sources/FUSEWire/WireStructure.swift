import CKernel

/// A structure of linux/fuse.h, of which it is known where its numbers are: so it can be turned from one byte order into
/// the other. A session has the byte order of its INIT (virtio 1.4, 5.11.6: fs.endian.device-detects).
public protocol WireStructure {
    /// The bytes of each field, in order: a digit each. Together they are all of the structure.
    static var fields: StaticString { get }
}

extension WireStructure where Self: BitwiseCopyable {
    /// The same in the other byte order.
    public var byteSwapped: Self {
        var value = self
        unsafe withUnsafeMutableBytes(of: &value) { bytes in
            Self.fields.withUTF8Buffer { widths in
                var start = 0
                for index in widths.indices {
                    let width = unsafe Int(widths[index] - UInt8(ascii: "0"))
                    var field = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start..<(start + width)])
                    unsafe field.reverse()
                    start += width
                }
            }
        }
        return value
    }

    /// As it is on the wire of a session.
    @inline(__always)
    public func inOrder(swapped: Bool) -> Self { swapped ? byteSwapped : self }
}
