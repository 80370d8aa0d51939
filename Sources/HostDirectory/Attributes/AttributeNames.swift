import SystemPackage

/// Names of extended attributes as listxattr(2) returns them: one behind the other, each with a terminating zero.
struct AttributeNames {
    /// Bytes of all names of a file, at most (`XATTR_LIST_MAX`).
    static let largestList = 64 << 10

    private let bytes: Slice<UnsafeMutableRawBufferPointer>

    init(_ bytes: Slice<UnsafeMutableRawBufferPointer>) { self.bytes = bytes }

    /// Writes the names that are `wanted` into a buffer.
    ///
    /// - Returns: bytes written; where the buffer is empty, how many it would take.
    /// - Throws: ERANGE when they don't fit, as the call does.
    func copy(
        into buffer: UnsafeMutableRawBufferPointer, where isWanted: (Slice<UnsafeMutableRawBufferPointer>) -> Bool
    ) throws(Errno) -> Int {
        var count = 0
        var rest = bytes
        while let end = rest.firstIndex(of: 0) {
            let name = rest[...end]
            rest = rest[(end + 1)...]
            guard isWanted(name) else { continue }
            if !buffer.isEmpty {
                guard count + name.count <= buffer.count else { throw .outOfRange }
                buffer[count..<(count + name.count)].copyBytes(from: name)
            }
            count += name.count
        }
        return count
    }
}
