import CKernel
public import SystemPackage

/// What a process gives up of the file system without any privilege (landlock(7)).
public enum FileRestriction {
    /// Whether the kernel can; before its second version (Linux 5.19), no file could be moved to another folder any more.
    public static var isAvailable: Bool { ck_landlock_version() >= 2 }

    /// From now on no file is opened, made, renamed or removed but below `folder`, and no program run, not even from there.
    /// What is open already stays so; owners, modes and times are not kept from this thread and those that it makes.
    ///
    /// The process has to have refused new privileges. Throws as landlock_restrict_self(2) does.
    public static func keep(below folder: FileDescriptor) throws(Errno) {
        let denied = deniable(by: ck_landlock_version())
        try check(ck_landlock(folder.rawValue, denied, denied & ~runsPrograms))
    }

    private static let runsPrograms: UInt64 = 1

    /// `LANDLOCK_ACCESS_FS_*`, of which Debian 12's headers don't have all: the third version adds truncate(2), the fifth
    /// ioctl(2) on devices.
    private static func deniable(by version: Int32) -> UInt64 {
        let count: UInt64 = version >= 5 ? 16 : version >= 3 ? 15 : 14
        return (1 << count) - 1
    }
}
