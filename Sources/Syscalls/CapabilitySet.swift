import CKernel
public import SystemPackage

/// Privileges of a process (capabilities(7)).
public struct CapabilitySet: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    private init(_ number: Int32) { self.init(rawValue: 1 << UInt64(number)) }

    public static let chown = CapabilitySet(CAP_CHOWN)
    public static let dacOverride = CapabilitySet(CAP_DAC_OVERRIDE)
    public static let dacReadSearch = CapabilitySet(CAP_DAC_READ_SEARCH)
    public static let fowner = CapabilitySet(CAP_FOWNER)
    public static let fsetid = CapabilitySet(CAP_FSETID)
    public static let setgid = CapabilitySet(CAP_SETGID)
    public static let setuid = CapabilitySet(CAP_SETUID)
    public static let mknod = CapabilitySet(CAP_MKNOD)
    public static let setfcap = CapabilitySet(CAP_SETFCAP)
    public static let sysAdmin = CapabilitySet(CAP_SYS_ADMIN)

    /// What linux/capability.h calls them, in small letters and without "CAP_", by their numbers.
    private static let names = [
        "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
        "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
        "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
        "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
        "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
        "checkpoint_restore",
    ]

    /// - Parameter name: for example "sys_admin", or "CAP_SYS_ADMIN".
    public init?(named name: some StringProtocol) {
        let name = name.lowercased()
        let short = name.hasPrefix("cap_") ? String(name.dropFirst(4)) : name
        guard let number = Self.names.firstIndex(of: short) else { return nil }
        self.init(Int32(number))
    }

    /// What this process may use or take on (its permitted set).
    public static var permitted: CapabilitySet {
        var data = [__user_cap_data_struct](repeating: .init(), count: 2)
        guard ck_capget(&data) == 0 else { return [] }
        return CapabilitySet(rawValue: UInt64(data[1].permitted) << 32 | UInt64(data[0].permitted))
    }

    /// Gives up, for good, every capability of this thread that isn't in `self`: from the bounding set too where it may, so
    /// that no program can bring one back. The corresponding calls are prctl(2) and capset(2).
    public func keepOnly() throws(Errno) {
        for number in 0..<UInt64(64) where !contains(CapabilitySet(rawValue: 1 << number)) {
            // EINVAL is behind the last one, EPERM without CAP_SETPCAP: then there are none to bring back.
            if ck_prctl(PR_CAPBSET_DROP, UInt(number), 0) != 0 { break }
        }
        try check(ck_prctl(PR_CAP_AMBIENT, UInt(PR_CAP_AMBIENT_CLEAR_ALL), 0))
        let left = intersection(Self.permitted).rawValue
        let words = [UInt32(truncatingIfNeeded: left), UInt32(left >> 32)].map {
            __user_cap_data_struct(effective: $0, permitted: $0, inheritable: 0)
        }
        try check(ck_capset(words))
    }
}
