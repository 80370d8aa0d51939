import CKernel

extension MountOption {
    /// What an option of `-o` is to this command.
    enum Meaning: Equatable {
        /// A flag of mount(2), set or taken away.
        case flag(UInt, isSet: Bool)
        /// libfuse's or the kernel's: handed on as it is.
        case handedOn
        /// An option of `virtiofs mount` of that name.
        case setting(String)
        /// The folder to share, where the command was called by mount(8).
        case share
        /// To change what is mounted already.
        case remount
        /// mount(8)'s own business, or of no effect here.
        case ignored
        /// Known, and not to be had: why.
        case refused(String)
        case unknown
    }

    var meaning: Meaning {
        if let flag = Self.flags[name], value == nil { return .flag(flag.bits, isSet: flag.isSet) }
        let plain = name.replacing("_", with: "-")
        if Self.settings.contains(plain) { return .setting(plain) }
        if Self.ignoredNames.contains(name) || name.hasPrefix("x-") || name.hasPrefix("X-") { return .ignored }
        if Self.handedOnNames.contains(name) { return .handedOn }
        if let reason = Self.refusals[name] { return .refused(reason) }
        switch name {
        case "share": return .share
        case "remount": return .remount
        default: return .unknown
        }
    }

    /// Flags of mount(2) that libfuse and fusermount3 know, too.
    private static let flags: [String: (bits: UInt, isSet: Bool)] = [
        "ro": (UInt(MS_RDONLY), true), "rw": (UInt(MS_RDONLY), false),
        "nosuid": (UInt(MS_NOSUID), true), "suid": (UInt(MS_NOSUID), false),
        "nodev": (UInt(MS_NODEV), true), "dev": (UInt(MS_NODEV), false),
        "noexec": (UInt(MS_NOEXEC), true), "exec": (UInt(MS_NOEXEC), false),
        "sync": (UInt(MS_SYNCHRONOUS), true), "async": (UInt(MS_SYNCHRONOUS), false),
        "dirsync": (UInt(MS_DIRSYNC), true),
    ]

    private static let handedOnNames: Set<String> = [
        "allow_other", "allow_root", "auto_unmount", "max_read", "fsname", "subtype", "context", "fscontext",
        "defcontext", "rootcontext",
    ]

    /// Options of the command that a list can hold, so that /etc/fstab can.
    private static let settings: Set<String> = [
        "tag", "cache", "writeback", "readonly", "queues", "queue-size", "ring", "threads", "poll-us", "kick",
        "attr-timeout", "entry-timeout", "negative-timeout", "max-write", "max-readahead", "max-background",
        "congestion-threshold", "no-remote-lock", "record",
    ]

    /// Access times are what the share's own file system makes of them. Permissions are always checked by the kernel
    /// (`default_permissions`); the rest is for mount(8), or was for older kernels.
    private static let ignoredNames: Set<String> = [
        "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime",
        "lazytime", "nolazytime", "default_permissions", "defaults", "auto", "noauto", "user", "nouser", "users",
        "nousers", "owner", "noowner", "group", "nogroup", "_netdev", "nofail", "comment", "silent", "loud", "nonempty",
        "big_writes", "large_read",
    ]

    private static let refusals: [String: String] = [
        "blksize": "is for file systems on a block device",
        "blkdev": "is for file systems on a block device",
        "fd": "is set by who mounts", "rootmode": "is set by who mounts",
        "user_id": "is set by who mounts", "group_id": "is set by who mounts",
    ]
}
