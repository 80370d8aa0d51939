import Glibc
import Syscalls
import SystemPackage

/// A user namespace (user_namespaces(7)), in which an ordinary user has the capabilities that namespaces need.
struct UserNamespace {
    let users: [IDRange]
    let groups: [IDRange]

    /// Without ranges, the caller's own ids stay what they are, and there are no others.
    init(users: [IDRange], groups: [IDRange]) {
        self.users = users.isEmpty ? [IDRange(inside: geteuid(), outside: geteuid(), count: 1)] : users
        self.groups = groups.isEmpty ? [IDRange(inside: getegid(), outside: getegid(), count: 1)] : groups
    }

    /// Takes this process into a new one.
    func enter() throws(SandboxError) {
        let isOwn = isOwn(users, geteuid()) && isOwn(groups, getegid())
        let mapper = isOwn ? nil : try Mapper(users: users, groups: groups)
        let remedy = "the host may keep user namespaces from ordinary users"
        try step("make a user namespace", remedy: remedy) { () throws(Errno) in try ProcessControl.unshare(.users) }
        if let mapper { try mapper.map() } else { try mapOwn() }
    }

    /// Takes on user and group 0 where they are mapped: who is not mapped can't own files.
    static func becomeRoot(mapped users: [IDRange], _ groups: [IDRange]) throws(SandboxError) {
        let hasRoot = [users, groups].allSatisfy { ranges in ranges.contains { $0.contains(inside: 0) } }
        guard hasRoot else { return }
        try step("become root of the user namespace") { () throws(Errno) in
            try ProcessControl.become(user: 0, group: 0)
            try ProcessControl.endWithParent(SIGKILL)
        }
    }

    private func isOwn(_ ranges: [IDRange], _ id: UInt32) -> Bool {
        ranges.count == 1 && ranges[0].outside == id && ranges[0].count == 1
    }

    /// What a process may do itself: its own ids, and no changes of groups from then on.
    private func mapOwn() throws(SandboxError) {
        try write("deny", to: "setgroups")
        try write(users[0].words.joined(separator: " "), to: "uid_map")
        try write(groups[0].words.joined(separator: " "), to: "gid_map")
    }

    private func write(_ text: String, to name: String) throws(SandboxError) {
        let path = "/proc/self/\(name)"
        try step("write \(path)") { () throws(Errno) in
            let file = OwnedDescriptor(
                owning: try FileDescriptor.workingFolder.openAt(path, flags: O_WRONLY))
            guard Glibc.write(file.rawValue, text, text.utf8.count) >= 0 else { throw Errno(rawValue: errno) }
        }
    }
}

/// A process that stays in the old user namespace to map ids of the new one with newuidmap(1) and newgidmap(1), which may
/// use the caller's subordinate ids (subuid(5)).
private struct Mapper {
    /// The process's exit status where a program does not do what it is asked for. That can't be an error's number.
    private static let refused: Int32 = 255

    private let process: pid_t
    /// Written to when the namespace is there; closed without a word when there will be none.
    private let go: FileDescriptor

    init(users: [IDRange], groups: [IDRange]) throws(SandboxError) {
        let (signal, go) = try step("make a pipe") { () throws(Errno) in try ChildProcess.pipe() }
        self.go = go
        let other = getpid()
        process = try step("fork") { () throws(Errno) in try ChildProcess.fork() }
        guard process == 0 else {
            signal.closeOwned()
            return
        }
        go.closeOwned()
        guard Self.hears(signal) else { _exit(0) }
        let status = Self.run("newuidmap", users, for: other)
        _exit(status == 0 ? Self.run("newgidmap", groups, for: other) : status)
    }

    private static func hears(_ signal: FileDescriptor) -> Bool {
        var byte: UInt8 = 0
        var count = -1
        repeat { count = read(signal.rawValue, &byte, 1) } while count < 0 && errno == EINTR
        return count == 1
    }

    /// Zero, ``refused``, or the number of the error why it can't be run.
    private static func run(_ program: String, _ ranges: [IDRange], for process: pid_t) -> Int32 {
        do throws(Errno) {
            let end = try ChildProcess.run([program, String(process)] + ranges.flatMap(\.words))
            return end == .exit(0) ? 0 : refused
        } catch {
            return error.rawValue
        }
    }

    func map() throws(SandboxError) {
        let end = try step("wait for newuidmap") { () throws(Errno) in
            guard write(go.rawValue, [1], 1) == 1 else { throw Errno(rawValue: errno) }
            go.closeOwned()
            return try ChildProcess.wait(for: process)
        }
        switch end {
        case .exit(0): return
        case .exit(let number) where number != Self.refused:
            let remedy = "they are in Debian's package uidmap"
            throw SandboxError(cannot: "run newuidmap or newgidmap", Errno(rawValue: number), remedy)
        default:
            // The program has said before what it doesn't like.
            throw SandboxError("can't map users and groups: are they in /etc/subuid and /etc/subgid?")
        }
    }
}
