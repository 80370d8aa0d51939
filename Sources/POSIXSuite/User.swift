public import CKernel
import SystemPackage

/// Somebody that a thread can be.
public struct User: Sendable {
    public var id: uid_t
    public var group: gid_t
    /// Supplementary groups.
    public var others: [gid_t] = []

    /// Ids that nobody else is likely to have.
    static let alice = User(id: 61_001, group: 61_001)
    static let bob = User(id: 61_002, group: 61_002)
    static let team: gid_t = 61_100

    func with(_ groups: gid_t...) -> User { User(id: id, group: group, others: groups) }
}

extension Scene {
    /// Runs `body` as `user`, without any privilege; nobody else's identity changes.
    func `as`(_ user: User, _ body: @escaping @Sendable (Scene) throws -> Void) throws {
        try CaseThread.run { [self] in
            guard files.folder != nil else { return try body(becoming(user, umask: 0)) }
            try call(ck_setgroups(user.others.count, user.others))
            try call(ck_setresgid(user.group, user.group, user.group))
            try call(ck_setresuid(user.id, user.id, user.id))
            try body(self)
        }
    }

    /// Runs `body` with that umask.
    func umask(_ mask: mode_t, _ body: @escaping @Sendable (Scene) throws -> Void) throws {
        try CaseThread.run { [self] in
            guard files.folder != nil else {
                return try body(becoming(User(id: geteuid(), group: getegid()), umask: mask))
            }
            CKernel.umask(mask)
            try body(self)
        }
    }

    private func becoming(_ user: User, umask: mode_t) throws(Errno) -> Scene {
        Scene(try files.becoming(user, umask: umask), other: try other.becoming(user, umask: umask))
    }

    /// Runs `body` on a thread with a table of open files of its own, at first a copy of this one's: what makes a process
    /// another one in the eyes of fcntl(2) locks.
    func asOtherProcess(_ body: @escaping @Sendable () throws -> Void) throws {
        try startOtherProcess(body).join()
    }

    func startOtherProcess(_ body: @escaping @Sendable () throws -> Void) throws -> CaseThread {
        try CaseThread {
            try call(unshare(CLONE_FILES))
            try body()
        }
    }
}
