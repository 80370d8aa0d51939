import CKernel

/// Runs `body` without CAP_FSETID on this thread, when `wanted`: a write, truncation or change of owner then clears
/// set-user-ID and set-group-ID, as it does for a process without privilege (inode(7)).
///
/// - Parameter group: the thread's for the file system meanwhile (setfsgid(2)): a file of the caller's own group that
///   the group may not execute keeps its set-group-ID (`setattr_should_drop_sgid`, linux/fs/attr.c).
///
/// Not to be nested with ``withIdentity(uid:gid:_:)``: each of the two restores the process's own capabilities. Does
/// nothing when the process lacks the capability.
@inline(__always)
public func withoutFSETID<Result: ~Copyable, Failure: Error>(
    _ wanted: Bool, group: UInt32, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    guard wanted, SetIDCapability.isHeld else { return try body() }
    SetIDCapability.drop(for: group)
    defer { SetIDCapability.restore(after: group) }
    return try body()
}

@usableFromInline
enum SetIDCapability {
    private static let process: [__user_cap_data_struct] = {
        var data = [__user_cap_data_struct](repeating: .init(), count: 2)
        return ck_capget(&data) == 0 ? data : [.init(), .init()]
    }()

    private static let reduced: [__user_cap_data_struct] = {
        var data = process
        data[0].effective &= ~UInt32(1 << CAP_FSETID)
        return data
    }()

    @usableFromInline static let isHeld = process[0].effective & UInt32(1 << CAP_FSETID) != 0

    @usableFromInline
    static func drop(for group: UInt32) {
        _ = ck_capset(reduced)
        if group != ProcessIdentity.gid { _ = ck_setfsgid(group) }
    }

    @usableFromInline
    static func restore(after group: UInt32) {
        if group != ProcessIdentity.gid { _ = ck_setfsgid(ProcessIdentity.gid) }
        _ = ck_capset(process)
    }
}
