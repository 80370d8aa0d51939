public import Syscalls
public import SystemPackage

/// How a process that serves a folder to a hostile guest is confined: what it can still do when the guest has taken it
/// over. The article "What a sandbox promises" says which mode keeps what from whom.
///
/// One process has one sandbox, for good. ``enter(atEnd:)`` comes before the first thread.
public struct Sandbox: Sendable {
    /// What stands between the process and everything that is not the share.
    public enum Mode: String, CaseIterable, Sendable {
        /// Mounts, processes, network, IPC and host name of its own; the share is its root.
        case namespace
        /// The share is its root; everything else is the host's. For containers, which have namespaces already.
        case chroot
        /// Nothing.
        case none
    }

    public var mode = Mode.namespace
    /// What happens to a system call that the device has no use for.
    public var filter = SystemCallFilter.Action.kill
    /// What the process may keep of the capabilities that it has.
    public var capabilities = CapabilitySet.device
    /// Users and groups of a user namespace; for an ordinary user in ``Mode/namespace``. Without any, the caller's own
    /// ids are all there is.
    public var users: [IDRange] = []
    public var groups: [IDRange] = []
    /// Whether the share is mounted read-only in ``Mode/namespace``, so that not even access times change.
    public var isReadOnly = false
    /// Descriptors that the process needs beside its standard output and standard error; all others are closed.
    public var kept: [FileDescriptor] = []

    public init() {}
}

extension CapabilitySet {
    /// What it takes to create files for anybody and to give them away.
    public static let device: CapabilitySet = [
        .chown, .dacOverride, .fowner, .fsetid, .setgid, .setuid, .mknod, .setfcap,
    ]
}

/// What a confined process has of the host. The descriptors are the caller's, who closes them.
public struct ConfinedShare: Sendable {
    /// The share, with `O_PATH`.
    public let root: FileDescriptor
    /// /proc/self/fd, with `O_PATH`; where the process is confined, also the working folder of all its threads.
    public let descriptors: FileDescriptor
    /// Whether ``descriptors`` is the working folder.
    public let hasWorkingFolder: Bool
}
