import CKernel
public import SystemPackage

/// What the host's kernel calls a file handle (`struct file_handle`, name_to_handle_at(2)): it names a file for as long
/// as the file exists, and no other one ever, even when its inode number is used again. It holds nothing open.
public struct HostFileHandle: Sendable {
    /// `handle_bytes`, `handle_type`, and `MAX_HANDLE_SZ` bytes.
    private var words = InlineArray<17, UInt64>(repeating: 0)

    /// The handle of the file that `descriptor` holds, with `O_PATH` or otherwise.
    ///
    /// - Throws: EOPNOTSUPP where the file system has no handles, EOVERFLOW where they are larger than any known one.
    public init(of descriptor: FileDescriptor) throws(Errno) {
        var handle = self
        handle.words[0] = UInt64(UInt32(MAX_HANDLE_SZ).littleEndian)
        var mount: Int32 = 0
        let result = withUnsafeMutableBytes(of: &handle.words) { bytes in
            let pointer = bytes.baseAddress!.assumingMemoryBound(to: file_handle.self)
            return name_to_handle_at(descriptor.rawValue, "", pointer, &mount, AT_EMPTY_PATH)
        }
        try check(result)
        self = handle
    }

    /// Bytes that a copy needs.
    public var byteCount: Int {
        MemoryLayout<file_handle>.size + Int(UInt32(truncatingIfNeeded: words[0]))
    }

    /// A copy in memory of its own, which the caller deallocates.
    public func copy() -> UnsafeMutableRawPointer {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 8)
        withUnsafeBytes(of: words) { memory.copyMemory(from: $0.baseAddress!, byteCount: byteCount) }
        return memory
    }

    /// Whether this is the handle that ``copy()`` put at `memory`: the same file.
    public func isEqual(to memory: UnsafeRawPointer) -> Bool {
        withUnsafeBytes(of: words) { bytes in
            // Length and type are compared first: they say how many bytes there are.
            bytes.load(as: UInt64.self) == memory.load(as: UInt64.self)
                && memcmp(bytes.baseAddress!, memory, byteCount) == 0
        }
    }

    /// Opens the file whose handle ``copy()`` put at `memory`. The corresponding call is open_by_handle_at(2), which needs
    /// the capability CAP_DAC_READ_SEARCH.
    ///
    /// - Parameter mount: anything on the mount through which the file is to be reached, not opened with `O_PATH`.
    /// - Throws: ESTALE when the file does not exist any more.
    public static func open(
        _ memory: UnsafeMutableRawPointer, on mount: FileDescriptor, flags: Int32
    ) throws(Errno) -> OwnedDescriptor {
        let pointer = memory.assumingMemoryBound(to: file_handle.self)
        let raw = try checkRetrying { open_by_handle_at(mount.rawValue, pointer, flags | O_CLOEXEC) }
        return OwnedDescriptor(owning: FileDescriptor(rawValue: raw))
    }
}
