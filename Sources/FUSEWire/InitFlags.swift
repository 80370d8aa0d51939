import CKernel

/// What INIT negotiates: `flags`, and above bit 31 `flags2`, of `fuse_init_in` and `fuse_init_out` (linux/fuse.h).
public struct InitFlags: OptionSet, Sendable {
    public let rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let asyncRead = InitFlags(rawValue: UInt64(FUSE_ASYNC_READ))
    public static let posixLocks = InitFlags(rawValue: UInt64(FUSE_POSIX_LOCKS))
    public static let atomicTruncate = InitFlags(rawValue: UInt64(FUSE_ATOMIC_O_TRUNC))
    public static let exportSupport = InitFlags(rawValue: UInt64(FUSE_EXPORT_SUPPORT))
    public static let bigWrites = InitFlags(rawValue: UInt64(FUSE_BIG_WRITES))
    public static let dontMask = InitFlags(rawValue: UInt64(FUSE_DONT_MASK))
    public static let spliceWrite = InitFlags(rawValue: UInt64(FUSE_SPLICE_WRITE))
    public static let spliceMove = InitFlags(rawValue: UInt64(FUSE_SPLICE_MOVE))
    public static let spliceRead = InitFlags(rawValue: UInt64(FUSE_SPLICE_READ))
    public static let flockLocks = InitFlags(rawValue: UInt64(FUSE_FLOCK_LOCKS))
    public static let hasIoctlDir = InitFlags(rawValue: UInt64(FUSE_HAS_IOCTL_DIR))
    public static let autoInvalidateData = InitFlags(rawValue: UInt64(FUSE_AUTO_INVAL_DATA))
    public static let doReaddirplus = InitFlags(rawValue: UInt64(FUSE_DO_READDIRPLUS))
    public static let readdirplusAuto = InitFlags(rawValue: UInt64(FUSE_READDIRPLUS_AUTO))
    public static let asyncDirectIO = InitFlags(rawValue: UInt64(FUSE_ASYNC_DIO))
    public static let writebackCache = InitFlags(rawValue: UInt64(FUSE_WRITEBACK_CACHE))
    public static let noOpenSupport = InitFlags(rawValue: UInt64(FUSE_NO_OPEN_SUPPORT))
    public static let parallelDirectoryOperations = InitFlags(rawValue: UInt64(FUSE_PARALLEL_DIROPS))
    public static let handleKillpriv = InitFlags(rawValue: UInt64(FUSE_HANDLE_KILLPRIV))
    public static let posixACL = InitFlags(rawValue: UInt64(FUSE_POSIX_ACL))
    public static let abortError = InitFlags(rawValue: UInt64(FUSE_ABORT_ERROR))
    public static let maxPages = InitFlags(rawValue: UInt64(FUSE_MAX_PAGES))
    public static let cacheSymlinks = InitFlags(rawValue: UInt64(FUSE_CACHE_SYMLINKS))
    public static let noOpendirSupport = InitFlags(rawValue: UInt64(FUSE_NO_OPENDIR_SUPPORT))
    public static let explicitInvalidateData = InitFlags(rawValue: UInt64(FUSE_EXPLICIT_INVAL_DATA))
    public static let mapAlignment = InitFlags(rawValue: UInt64(FUSE_MAP_ALIGNMENT))
    public static let submounts = InitFlags(rawValue: UInt64(FUSE_SUBMOUNTS))
    public static let handleKillprivV2 = InitFlags(rawValue: UInt64(FUSE_HANDLE_KILLPRIV_V2))
    public static let setxattrExtended = InitFlags(rawValue: UInt64(FUSE_SETXATTR_EXT))
    public static let initExtended = InitFlags(rawValue: UInt64(FUSE_INIT_EXT))
    public static let securityContext = InitFlags(rawValue: UInt64(FUSE_SECURITY_CTX))
    public static let hasInodeDAX = InitFlags(rawValue: UInt64(FUSE_HAS_INODE_DAX))
    public static let createSupplementaryGroup = InitFlags(rawValue: UInt64(FUSE_CREATE_SUPP_GROUP))
    public static let hasExpireOnly = InitFlags(rawValue: UInt64(FUSE_HAS_EXPIRE_ONLY))
    public static let directIOAllowMmap = InitFlags(rawValue: 1 << 36)
    public static let passthrough = InitFlags(rawValue: 1 << 37)
    public static let noExportSupport = InitFlags(rawValue: 1 << 38)
    public static let hasResend = InitFlags(rawValue: 1 << 39)
    public static let allowIDMap = InitFlags(rawValue: 1 << 40)
    public static let overIOUring = InitFlags(rawValue: 1 << 41)
    public static let requestTimeout = InitFlags(rawValue: 1 << 42)

    /// The flags as INIT carries them: the low word, and `flags2`, which only counts with `INIT_EXT`.
    public var words: (flags: UInt32, flags2: UInt32) {
        (UInt32(truncatingIfNeeded: rawValue), UInt32(truncatingIfNeeded: rawValue >> 32))
    }

    public init(flags: UInt32, flags2: UInt32) {
        let extended = flags & UInt32(FUSE_INIT_EXT) != 0
        self.init(rawValue: UInt64(flags) | (extended ? UInt64(flags2) << 32 : 0))
    }
}
