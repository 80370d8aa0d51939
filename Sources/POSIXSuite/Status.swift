public import CKernel

/// A point in time: seconds since 1970, which may be negative, and nanoseconds on top of them, which are not.
public struct FileTime: Sendable, Equatable, Comparable, CustomStringConvertible {
    public var seconds: Int
    public var nanoseconds: Int

    public init(_ seconds: Int, _ nanoseconds: Int = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// `UTIME_NOW` and `UTIME_OMIT` of utimensat(2).
    public static let now = FileTime(0, (1 << 30) - 1)
    public static let omit = FileTime(0, (1 << 30) - 2)

    var timespec: CKernel.timespec { CKernel.timespec(tv_sec: seconds, tv_nsec: nanoseconds) }

    public static func < (left: FileTime, right: FileTime) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    public var description: String { "\(seconds) s \(nanoseconds) ns" }
}

/// What stat(2) tells of a file.
public struct Status: Sendable {
    /// Type and permissions.
    public var mode: mode_t
    public var links: UInt64
    public var user: uid_t
    public var group: gid_t
    public var size: Int
    /// Of 512 bytes.
    public var blocks: Int
    public var inode: UInt64
    /// The device that a device node stands for: major, minor.
    public var node: (major: UInt32, minor: UInt32)
    public var accessed: FileTime
    public var modified: FileTime
    public var changed: FileTime

    public init(
        mode: mode_t, links: UInt64, user: uid_t, group: gid_t, size: Int, blocks: Int, inode: UInt64,
        node: (major: UInt32, minor: UInt32), accessed: FileTime, modified: FileTime, changed: FileTime
    ) {
        (self.mode, self.links, self.user, self.group) = (mode, links, user, group)
        (self.size, self.blocks, self.inode, self.node) = (size, blocks, inode, node)
        (self.accessed, self.modified, self.changed) = (accessed, modified, changed)
    }

    init(_ status: borrowing statx) {
        func time(_ time: statx_timestamp) -> FileTime { FileTime(Int(time.tv_sec), Int(time.tv_nsec)) }
        self.init(
            mode: mode_t(status.stx_mode), links: UInt64(status.stx_nlink), user: status.stx_uid, group: status.stx_gid,
            size: Int(status.stx_size), blocks: Int(status.stx_blocks), inode: status.stx_ino,
            node: (status.stx_rdev_major, status.stx_rdev_minor), accessed: time(status.stx_atime),
            modified: time(status.stx_mtime), changed: time(status.stx_ctime))
    }

    /// Permissions, with set-user-ID, set-group-ID and sticky bit.
    var permissions: mode_t { mode & 0o7777 }
    /// `S_IFREG` and so on.
    var type: mode_t { mode & mode_t(S_IFMT) }
}

/// An entry of a folder, "." and ".." not among them.
public struct FolderEntry: Sendable {
    public let name: Path
    /// `DT_REG` and so on.
    public let type: UInt8
    public let inode: UInt64

    public init(name: Path, type: UInt8, inode: UInt64) {
        self.name = name
        self.type = type
        self.inode = inode
    }
}

/// Types of files, as they are in a mode.
extension mode_t {
    static let regular = mode_t(S_IFREG)
    static let folder = mode_t(S_IFDIR)
    static let symlink = mode_t(S_IFLNK)
    static let fifo = mode_t(S_IFIFO)
    static let socket = mode_t(S_IFSOCK)
    static let characters = mode_t(S_IFCHR)
    static let blocks = mode_t(S_IFBLK)
}
