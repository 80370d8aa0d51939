import CKernel

/// Runs `body` as `uid` and `gid` in the eyes of the file system (setfsuid(2), setfsgid(2)), on this thread alone.
///
/// The permission to create was checked by the client's kernel (`default_permissions`), which knows the caller's groups
/// and ACLs as nobody here can: so CAP_DAC_OVERRIDE is kept, and only ownership is taken on. Does nothing when the
/// process lacks the privilege or the ids are its own.
///
/// - Parameter group: a group that the caller is in beside `gid`: the thread's only supplementary one meanwhile.
@inline(__always)
public func withIdentity<Result, Failure: Error>(
    uid: UInt32, gid: UInt32, group: UInt32? = nil, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    guard ProcessIdentity.isPrivileged, uid != ProcessIdentity.uid || gid != ProcessIdentity.gid else {
        return try body()
    }
    takeIdentity(uid: uid, gid: gid)
    if let group { takeGroup(group) }
    defer { restoreIdentity(withGroups: group != nil) }
    return try body()
}

/// Who this process is.
public enum ProcessIdentity {
    public static let uid: UInt32 = geteuid()
    public static let gid: UInt32 = getegid()

    /// Whether files can be created for others: the process has the capabilities CAP_SETUID and CAP_SETGID.
    public static let isPrivileged: Bool = {
        let needed = UInt32(1 << CAP_SETUID | 1 << CAP_SETGID)
        return capabilities[0].effective & needed == needed
    }()

    fileprivate static let groups: [gid_t] = {
        var groups = [gid_t](repeating: 0, count: max(0, Int(getgroups(0, nil))))
        let count = getgroups(Int32(groups.count), &groups)
        return Array(groups.prefix(max(0, Int(count))))
    }()

    fileprivate static let capabilities: [__user_cap_data_struct] = {
        var data = [__user_cap_data_struct](repeating: .init(), count: 2)
        return ck_capget(&data) == 0 ? data : [.init(), .init()]
    }()

    /// What is kept while acting for another user: all but what would let a file pass as its owner's or its group's.
    fileprivate static let capabilitiesForOthers: [__user_cap_data_struct] = {
        var data = capabilities
        data[0].effective &= ~UInt32(1 << CAP_CHOWN | 1 << CAP_FOWNER | 1 << CAP_FSETID)
        return data
    }()
}

private func takeIdentity(uid: UInt32, gid: UInt32) {
    _ = ck_setfsgid(gid)
    guard uid != ProcessIdentity.uid else { return }
    _ = ck_setfsuid(uid)  // drops CAP_DAC_OVERRIDE, CAP_FSETID and others from the effective set
    _ = ck_capset(ProcessIdentity.capabilitiesForOthers)
}

private func takeGroup(_ group: UInt32) {
    var group = group
    _ = ck_setgroups(1, &group)
}

private func restoreIdentity(withGroups: Bool) {
    if withGroups { _ = ck_setgroups(ProcessIdentity.groups.count, ProcessIdentity.groups) }
    _ = ck_setfsuid(ProcessIdentity.uid)
    _ = ck_setfsgid(ProcessIdentity.gid)
    _ = ck_capset(ProcessIdentity.capabilities)
}
