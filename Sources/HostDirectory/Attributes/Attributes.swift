import CKernel

extension fuse_attr {
    /// Attributes as statx(2) returned them, asked for ``InodeKey/mask``.
    init(_ status: borrowing statx) {
        self.init()
        ino = status.stx_ino
        size = status.stx_size
        blocks = status.stx_blocks
        atime = UInt64(bitPattern: status.stx_atime.tv_sec)  // before 1970 it is negative, and stays so on the wire
        mtime = UInt64(bitPattern: status.stx_mtime.tv_sec)
        ctime = UInt64(bitPattern: status.stx_ctime.tv_sec)
        atimensec = status.stx_atime.tv_nsec
        mtimensec = status.stx_mtime.tv_nsec
        ctimensec = status.stx_ctime.tv_nsec
        mode = UInt32(status.stx_mode)
        nlink = status.stx_nlink
        uid = status.stx_uid
        gid = status.stx_gid
        rdev = DeviceNumber.encode(major: status.stx_rdev_major, minor: status.stx_rdev_minor)
        blksize = status.stx_blksize
    }

    /// Attributes as fstat(2) returned them.
    init(_ status: borrowing stat) {
        self.init()
        ino = UInt64(status.st_ino)
        size = UInt64(bitPattern: Int64(status.st_size))
        blocks = UInt64(bitPattern: Int64(status.st_blocks))
        atime = UInt64(bitPattern: Int64(status.st_atim.tv_sec))
        mtime = UInt64(bitPattern: Int64(status.st_mtim.tv_sec))
        ctime = UInt64(bitPattern: Int64(status.st_ctim.tv_sec))
        atimensec = UInt32(truncatingIfNeeded: status.st_atim.tv_nsec)
        mtimensec = UInt32(truncatingIfNeeded: status.st_mtim.tv_nsec)
        ctimensec = UInt32(truncatingIfNeeded: status.st_ctim.tv_nsec)
        mode = status.st_mode
        nlink = UInt32(truncatingIfNeeded: status.st_nlink)
        uid = status.st_uid
        gid = status.st_gid
        rdev = DeviceNumber.encode(major: ck_major(status.st_rdev), minor: ck_minor(status.st_rdev))
        blksize = UInt32(truncatingIfNeeded: status.st_blksize)
    }
}

/// A device number in the 32 bits that FUSE has for it: `new_encode_dev` of Linux (include/linux/kdev_t.h).
enum DeviceNumber {
    static func encode(major: UInt32, minor: UInt32) -> UInt32 {
        (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)
    }

    static func decode(_ device: UInt32) -> dev_t {
        ck_makedev((device & 0xfff00) >> 8, (device & 0xff) | ((device >> 12) & 0xfff00))
    }
}
