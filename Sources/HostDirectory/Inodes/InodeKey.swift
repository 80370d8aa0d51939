import CKernel

/// What tells a file from every other on this host, as long as something holds it.
struct InodeKey: BitwiseCopyable, Equatable {
    let inode: UInt64
    /// Major number above minor number.
    let device: UInt64
    /// A file that is reached through two mounts is two nodes: each has another ".." and other mounts below it.
    let mount: UInt64

    /// What statx(2) has to be asked for: the key, ``BirthTime``, and attributes.
    static let mask = UInt32(STATX_BASIC_STATS) | UInt32(STATX_MNT_ID) | UInt32(STATX_BTIME)

    init(inode: UInt64, device: UInt64, mount: UInt64) {
        self.inode = inode
        self.device = device
        self.mount = mount
    }

    init(_ status: borrowing statx) {
        inode = status.stx_ino
        device = Self.device(major: status.stx_dev_major, minor: status.stx_dev_minor)
        mount = status.stx_mask & UInt32(STATX_MNT_ID) != 0 ? status.stx_mnt_id : 0
    }

    /// ``device`` of a number as stat(2) has it.
    static func device(_ number: dev_t) -> UInt64 { device(major: ck_major(number), minor: ck_minor(number)) }

    private static func device(major: UInt32, minor: UInt32) -> UInt64 { UInt64(major) << 32 | UInt64(minor) }

    /// Spread over 64 bits, of which any are good.
    var hash: UInt64 {
        var mixed = inode ^ (device &* 0x9E37_79B9_7F4A_7C15) ^ (mount &* 0xC2B2_AE3D_27D4_EB4F)
        mixed ^= mixed >> 32
        mixed = mixed &* 0xD6E8_FEB8_6659_FD93
        mixed ^= mixed >> 32
        return mixed &* 0xD6E8_FEB8_6659_FD93
    }
}
