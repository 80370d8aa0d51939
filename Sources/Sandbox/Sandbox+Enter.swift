import CKernel
import Glibc
import Syscalls
public import SystemPackage

extension Sandbox {
    /// Confines this process to the folder that `share` holds, in these steps:
    ///
    /// 1. An ordinary user gets a user namespace, in which the process has capabilities.
    /// 2. The process forks. The parent stays outside, passes signals on, and waits.
    /// 3. The child leaves the host's namespaces, makes the share its root, closes every descriptor that it doesn't need,
    ///    gives up its capabilities, and loads the filter of system calls.
    ///
    /// - Parameters:
    ///   - share: the folder, with `O_PATH`; closed in the child.
    ///   - atEnd: what the parent does when the child has ended: to remove what the child can't reach.
    /// - Returns: in the child only. The parent ends as the child did.
    public func enter(share: FileDescriptor, atEnd: () -> Void) throws(SandboxError) -> ConfinedShare {
        try check()
        // Once confined, a file called /etc/localtime is the guest's.
        tzset()
        if geteuid() == 0 {
            try step("leave supplementary groups") { () throws(Errno) in try ProcessControl.leaveGroups() }
        }
        if mode == .namespace { try leaveProcesses() }
        if mode != .none || filter != .none { try Keeper.fork(atEnd: atEnd) }
        return try confine(share)
    }

    private func check() throws(SandboxError) {
        guard mode != .chroot || geteuid() == 0 else {
            throw SandboxError("--sandbox chroot needs root; an ordinary user has --sandbox namespace")
        }
        guard users.isEmpty && groups.isEmpty || mode == .namespace && geteuid() != 0 else {
            throw SandboxError("--uid-map and --gid-map are for an ordinary user with --sandbox namespace")
        }
        guard ChildProcess.threadCount == 1 else { throw SandboxError("a process with threads can't be confined") }
    }

    /// The next child is the first process of a namespace.
    private func leaveProcesses() throws(SandboxError) {
        if geteuid() != 0 { try UserNamespace(users: users, groups: groups).enter() }
        let remedy = "in a container, use --sandbox chroot"
        try step("make a namespace for processes", remedy: remedy) { () throws(Errno) in
            try ProcessControl.unshare(.processes)
        }
    }

    private func confine(_ share: FileDescriptor) throws(SandboxError) -> ConfinedShare {
        try StandardDescriptors.secure()
        if mode == .namespace {
            try step("make namespaces") { () throws(Errno) in
                // The new namespace has mounts of its own; of descriptors, only the working folder follows there.
                try share.makeWorkingFolder()
                try ProcessControl.unshare([.mounts, .network, .ipc, .hostName])
            }
            try UserNamespace.becomeRoot(mapped: users, groups)
        }
        let mayCopyMounts = CapabilitySet.permitted.contains(.sysAdmin)
        let confined = try root(share)
        try closeOthers(confined)
        try step("give up capabilities") { () throws(Errno) in try capabilities.keepOnly() }
        try step("refuse new privileges") { () throws(Errno) in try ProcessControl.refuseNewPrivileges() }
        // There, ".." leads out of /proc/self/fd to all files.
        if mode == .chroot, !mayCopyMounts, FileRestriction.isAvailable {
            try step("keep to the share") { () throws(Errno) in try FileRestriction.keep(below: confined.root) }
        }
        try SystemCallFilter(action: filter, opensHandles: capabilities.contains(.dacReadSearch)).load()
        return confined
    }

    private func root(_ share: FileDescriptor) throws(SandboxError) -> ConfinedShare {
        switch mode {
        case .namespace: try NewRoot(share: share, isReadOnly: isReadOnly).pivot()
        case .chroot: try NewRoot(share: share, isReadOnly: isReadOnly).change()
        case .none: try NewRoot(share: share, isReadOnly: isReadOnly).keep()
        }
    }

    private func closeOthers(_ confined: ConfinedShare) throws(SandboxError) {
        let standard = (0..<Int32(3)).map { FileDescriptor(rawValue: $0) }
        let all = standard + kept + [confined.root, confined.descriptors]
        try step("close descriptors") { () throws(Errno) in try ProcessControl.closeAll(but: all) }
    }
}
