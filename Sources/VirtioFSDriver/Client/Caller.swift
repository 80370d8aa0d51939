import CKernel

/// Who makes a call: what a FUSE request tells of the process that it is made for, and what the client itself checks.
public struct Caller: Hashable, Sendable {
    public var uid: UInt32
    public var gid: UInt32
    public var pid: UInt32
    /// What is taken off the mode of new files (umask(2)).
    public var umask: UInt32
    /// Groups beside `gid`. They don't cross the wire, but for the one that a new file's folder has
    /// (`FUSE_CREATE_SUPP_GROUP`).
    public var supplementaryGroups: [UInt32]

    public init(uid: UInt32, gid: UInt32, pid: UInt32 = 0, umask: UInt32 = 0o022, supplementaryGroups: [UInt32] = []) {
        self.uid = uid
        self.gid = gid
        self.pid = pid
        self.umask = umask
        self.supplementaryGroups = supplementaryGroups
    }

    public static let root = Caller(uid: 0, gid: 0)

    /// Whether the caller is in a group.
    public func isMember(of group: UInt32) -> Bool { group == gid || supplementaryGroups.contains(group) }
}

extension Caller {
    /// Who this process is.
    public static var ofThisProcess: Caller {
        var groups = [gid_t](repeating: 0, count: max(0, Int(getgroups(0, nil))))
        groups.removeLast(groups.count - max(0, Int(getgroups(Int32(groups.count), &groups))))
        let mask = CKernel.umask(0o077)
        _ = CKernel.umask(mask)
        return Caller(
            uid: geteuid(), gid: getegid(), pid: UInt32(getpid()), umask: UInt32(mask), supplementaryGroups: groups)
    }
}
