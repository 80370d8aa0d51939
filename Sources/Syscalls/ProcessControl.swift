import CKernel
public import SystemPackage

/// What a process gives up for good, or asks of the kernel for itself (prctl(2), unshare(2)). Each call throws the `errno`
/// of its man page.
public enum ProcessControl {
    /// Namespaces (namespaces(7)) that a process can leave for new ones.
    public struct Namespaces: OptionSet, Sendable {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }

        public static let users = Namespaces(rawValue: CLONE_NEWUSER)
        /// Holds for children of the process, the first of which is its init.
        public static let processes = Namespaces(rawValue: CLONE_NEWPID)
        public static let mounts = Namespaces(rawValue: CLONE_NEWNS)
        public static let network = Namespaces(rawValue: CLONE_NEWNET)
        public static let ipc = Namespaces(rawValue: CLONE_NEWIPC)
        public static let hostName = Namespaces(rawValue: CLONE_NEWUTS)
    }

    /// The corresponding call is unshare(2).
    public static func unshare(_ namespaces: Namespaces) throws(Errno) {
        try check(CKernel.unshare(namespaces.rawValue))
    }

    /// The signal that this process gets when its parent's thread goes that made it (`PR_SET_PDEATHSIG`). A change of
    /// user undoes it.
    public static func endWithParent(_ signal: Int32) throws(Errno) {
        try check(ck_prctl(PR_SET_PDEATHSIG, UInt(signal), 0))
    }

    /// No program that this process starts gets more privileges than it has (`PR_SET_NO_NEW_PRIVS`).
    public static func refuseNewPrivileges() throws(Errno) {
        try check(ck_prctl(PR_SET_NO_NEW_PRIVS, 1, 0))
    }

    /// Takes on a user and a group for good, in all three forms: setresgid(2), setresuid(2).
    public static func become(user: UInt32, group: UInt32) throws(Errno) {
        try check(setresgid(group, group, group))
        try check(setresuid(user, user, user))
    }

    /// Leaves all supplementary groups. The corresponding call is setgroups(2).
    public static func leaveGroups() throws(Errno) { try check(ck_setgroups(0, [])) }

    /// Closes all descriptors but `kept`. The corresponding call is close_range(2).
    public static func closeAll(but kept: [FileDescriptor]) throws(Errno) {
        var next: UInt32 = 0
        for descriptor in kept.map({ UInt32($0.rawValue) }).sorted() {
            if descriptor > next { try check(close_range(next, descriptor - 1, 0)) }
            next = descriptor + 1
        }
        try check(close_range(next, UInt32.max, 0))
    }
}
