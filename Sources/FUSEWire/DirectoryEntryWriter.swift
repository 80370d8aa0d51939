public import CKernel

/// Writes directory entries as READDIR (`fuse_dirent`) and READDIRPLUS (`fuse_direntplus`) return them: each padded to
/// eight bytes, as many as fit.
@safe public struct DirectoryEntryWriter {
    private let buffer: UnsafeMutableRawBufferPointer
    /// Bytes written.
    public private(set) var count = 0
    private let isSwapped: Bool

    /// - Parameter isSwapped: whether numbers go in the byte order that isn't this machine's.
    public init(into buffer: UnsafeMutableRawBufferPointer, isSwapped: Bool = false) {
        unsafe self.buffer = unsafe buffer
        self.isSwapped = isSwapped
    }

    /// Bytes that an entry takes, with its name of `nameCount` bytes (`FUSE_DIRENT_SIZE`, `FUSE_DIRENTPLUS_SIZE`).
    public static func size(nameCount: Int, plus: Bool) -> Int {
        let header = plus ? MemoryLayout<fuse_entry_out>.size + direntHeader : direntHeader
        return (header + nameCount + 7) & ~7
    }

    /// Bytes of `fuse_dirent` before the name (`FUSE_NAME_OFFSET`).
    private static let direntHeader = 24

    /// Whether an entry with a name of that many bytes still fits.
    public func fits(nameCount: Int, plus: Bool) -> Bool {
        unsafe count + Self.size(nameCount: nameCount, plus: plus) <= buffer.count
    }

    /// Appends an entry that fits.
    ///
    /// - Parameters:
    ///   - cookie: where the listing goes on behind this entry.
    ///   - type: `DT_REG` and so on.
    ///   - entry: what a LOOKUP of the name would have returned; for READDIRPLUS only.
    public mutating func append(
        inode: UInt64, cookie: UInt64, type: UInt8, name: UnsafeRawBufferPointer, entry: fuse_entry_out? = nil
    ) {
        let size = Self.size(nameCount: name.count, plus: entry != nil)
        unsafe precondition(count + size <= buffer.count)
        var next = unsafe buffer.baseAddress! + count
        if let entry {
            unsafe next.storeBytes(of: entry.inOrder(swapped: isSwapped), as: fuse_entry_out.self)
            unsafe next += MemoryLayout<fuse_entry_out>.size
        }
        unsafe store(inode, at: next)
        unsafe store(cookie, at: next + 8)
        unsafe store(UInt32(name.count), at: next + 16)
        unsafe store(UInt32(type), at: next + 20)
        unsafe (next + Self.direntHeader).copyMemory(from: name.baseAddress!, byteCount: name.count)
        let used = Self.direntHeader + name.count
        unsafe (next + used).initializeMemory(as: UInt8.self, repeating: 0, count: (8 - used % 8) % 8)
        count += size
    }

    private func store<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at place: UnsafeMutableRawPointer)
    {
        unsafe place.storeBytes(of: isSwapped ? number.byteSwapped : number, as: Number.self)
    }
}
