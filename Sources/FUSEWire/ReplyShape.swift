import CKernel

/// How large the reply to a request can be: what a driver must offer the device to write into.
public enum ReplyShape: Equatable, Sendable {
    /// No reply at all.
    case none
    /// A header, and on success this many bytes.
    case fixed(Int)
    /// A header and up to this many bytes.
    case upTo(Int)

    /// Bytes behind the header.
    @inlinable
    public var capacity: Int {
        switch self {
        case .none: 0
        case .fixed(let count), .upTo(let count): count
        }
    }

    /// The largest target of a symbolic link (PATH_MAX), as Linux asks for it: a page less the terminator.
    static let largestLink = 4095

    /// The shape of the reply to the request that starts with `bytes`: header and fixed arguments, as far as they go.
    ///
    /// - Parameter isSwapped: whether the request is in the byte order that isn't this machine's.
    public init(opcode: Opcode, request bytes: UnsafeRawBufferPointer, isSwapped: Bool = false) {
        func word(at offset: Int) -> Int { unsafe Self.word(at: offset, of: bytes, isSwapped) }
        self =
            switch opcode {
            case .forget, .batchForget, .interrupt, .notifyReply: .none
            case .lookup, .symlink, .mknod, .mkdir, .link: .fixed(MemoryLayout<fuse_entry_out>.size)
            case .getattr, .setattr: .fixed(MemoryLayout<fuse_attr_out>.size)
            case .readlink: .upTo(Self.largestLink)
            case .open, .opendir: .fixed(MemoryLayout<fuse_open_out>.size)
            case .create, .tmpfile:
                .fixed(MemoryLayout<fuse_entry_out>.size + MemoryLayout<fuse_open_out>.size)
            case .read, .readdir, .readdirplus: .upTo(word(at: 56))
            case .write, .copyFileRange: .fixed(MemoryLayout<fuse_write_out>.size)
            case .statfs: .fixed(MemoryLayout<fuse_statfs_out>.size)
            case .getxattr, .listxattr: Self.attributeList(size: word(at: 40))
            case .initialize: .upTo(MemoryLayout<fuse_init_out>.size)
            case .getlk: .fixed(MemoryLayout<fuse_lk_out>.size)
            case .bmap: .fixed(MemoryLayout<fuse_bmap_out>.size)
            case .ioctl: .upTo(MemoryLayout<fuse_ioctl_out>.size + word(at: 68))
            case .poll: .fixed(MemoryLayout<fuse_poll_out>.size)
            case .lseek: .fixed(MemoryLayout<fuse_lseek_out>.size)
            case .statx: .fixed(MemoryLayout<fuse_statx_out>.size)
            case .copyFileRange64: .fixed(MemoryLayout<fuse_copy_file_range_out>.size)
            case .unlink, .rmdir, .rename, .release, .fsync, .setxattr, .removexattr, .flush, .releasedir, .fsyncdir,
                .setlk, .setlkw, .access, .destroy, .fallocate, .rename2, .setupMapping, .removeMapping, .syncfs:
                .fixed(0)
            }
    }

    /// A size of zero asks how large the value is (getxattr(2)).
    private static func attributeList(size: Int) -> ReplyShape {
        size == 0 ? .fixed(MemoryLayout<fuse_getxattr_out>.size) : .upTo(size)
    }

    /// The 32-bit word at an offset from the request's start, zero if the request ends before it.
    private static func word(at offset: Int, of bytes: UnsafeRawBufferPointer, _ isSwapped: Bool) -> Int {
        guard bytes.count >= offset + 4 else { return 0 }
        let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        return Int(isSwapped ? word.byteSwapped : word)
    }
}
