public import ArgumentParser
import HostDirectory
public import Sandbox
import Syscalls
import SystemPackage

/// How `serve` is confined; named as virtiofsd names it.
struct ConfinementOptions: ParsableArguments {
    @Option(help: "What keeps the device from the host's other files: namespace, chroot or none.")
    var sandbox = Sandbox.Mode.namespace
    @Option(help: "What happens to system calls that the device doesn't need: none, kill, log or trap.")
    var seccomp = SystemCallFilter.Action.kill
    @Option(help: "Capabilities to keep beside the usual ones, or to give up, too: '--modcaps=+sys_admin:-mknod'.")
    var modcaps: CapabilityChange?
    @Option(help: "Users of an ordinary user's namespace, as ':INSIDE:OUTSIDE:COUNT:'. Can be repeated.")
    var uidMap: [IDRange] = []
    @Option(help: "Groups of an ordinary user's namespace, as ':INSIDE:OUTSIDE:COUNT:'. Can be repeated.")
    var gidMap: [IDRange] = []
    @Option(
        help: """
            Whether unused files are held by handles instead of descriptors: never, prefer or mandatory. Handles open any \
            file of the share's file system, whatever the sandbox.
            """)
    var inodeFileHandles = FileHandleUse.never

    /// Whether another process stays outside; see ``enter(share:readOnly:keeping:atEnd:)``.
    var hasKeeper: Bool { sandbox != .none || seccomp != .none }

    /// Confines this process; returns in the one that is confined.
    ///
    /// - Parameters:
    ///   - kept: descriptors that it goes on using.
    ///   - atEnd: what is done outside when that one has ended.
    func enter(
        share: FileDescriptor, readOnly: Bool, keeping kept: [FileDescriptor], atEnd: () -> Void
    ) throws -> ConfinedShare {
        var sandbox = Sandbox()
        sandbox.mode = self.sandbox
        sandbox.filter = seccomp
        sandbox.capabilities = capabilities
        sandbox.users = uidMap
        sandbox.groups = gidMap
        sandbox.isReadOnly = readOnly
        sandbox.kept = kept
        do {
            return try sandbox.enter(share: share, atEnd: atEnd)
        } catch {
            throw Failure(error.description)
        }
    }

    private var capabilities: CapabilitySet {
        var wanted = CapabilitySet.device
        if inodeFileHandles != .never { wanted.insert(.dacReadSearch) }
        return modcaps?.applied(to: wanted) ?? wanted
    }
}

/// The values of `--inode-file-handles`.
enum FileHandleUse: String, CaseIterable, ExpressibleByArgument {
    case never, prefer, mandatory
}

/// The value of `--modcaps`: `+NAME` and `-NAME` with colons between them.
struct CapabilityChange: ExpressibleByArgument {
    private var added: CapabilitySet = []
    private var removed: CapabilitySet = []

    init?(argument: String) {
        for word in argument.split(separator: ":", omittingEmptySubsequences: false) {
            guard let capability = CapabilitySet(named: word.dropFirst()) else { return nil }
            switch word.first {
            case "+": added.insert(capability)
            case "-": removed.insert(capability)
            default: return nil
            }
        }
    }

    func applied(to set: CapabilitySet) -> CapabilitySet { set.union(added).subtracting(removed) }
}

extension Sandbox.Mode: ExpressibleByArgument {}
extension SystemCallFilter.Action: ExpressibleByArgument {}

extension IDRange: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

extension HostDirectory {
    /// Serves what a confined process has of the host.
    convenience init(_ share: ConfinedShare, options: HostDirectoryOptions) throws(Errno) {
        try self.init(
            root: OwnedDescriptor(owning: share.root), descriptors: OwnedDescriptor(owning: share.descriptors),
            isWorkingFolder: share.hasWorkingFolder, options: options)
    }
}
