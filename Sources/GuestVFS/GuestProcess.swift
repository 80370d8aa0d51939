import CKernel
import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDriver

/// A process of the simulated guest: the usual calls by path, with an identity, a umask and a working folder of its own.
///
/// What a guest's kernel does above FUSE is done here, as Linux does it (fs/namei.c, fs/attr.c, fs/xattr.c, with
/// `default_permissions`): it walks paths and follows links, and it checks permissions, ACLs among them. Nothing is cached.
/// FIFOs, sockets and devices can't be opened: a kernel serves those itself.
public final class GuestProcess: @unchecked Sendable {
    public let client: FUSEClient
    /// Who it is, and its umask.
    public let caller: Caller
    public let protections: Protections
    /// As whom the process holds its POSIX locks.
    let lockOwner: UInt64
    let appends: Turnstile

    let root: Place
    private let lock = Lock()
    private var folder: Place

    /// - Parameter protections: nothing takes those of this machine's kernel.
    public convenience init(
        _ client: FUSEClient, as caller: Caller, protections: Protections? = nil
    ) async throws(Errno) {
        try await self.init(client, caller, protections ?? .ofThisMachine, Turnstile())
    }

    /// Another process of the same guest.
    public convenience init(besides other: GuestProcess, as caller: Caller) async throws(Errno) {
        try await self.init(other.client, caller, other.protections, other.appends)
    }

    private init(
        _ client: FUSEClient, _ caller: Caller, _ protections: Protections, _ appends: Turnstile
    ) async throws(Errno) {
        self.client = client
        self.caller = caller
        self.protections = protections
        self.appends = appends
        lockOwner = LockOwners.next()
        let attributes = try await client.getattr(.root, as: caller).attr
        root = Place(HeldNode(.root, of: client), "/", in: nil, attributes)
        folder = root
    }

    /// Root, or who has its privileges: CAP_DAC_OVERRIDE, CAP_FOWNER and their like.
    var isPrivileged: Bool { caller.uid == 0 }

    // MARK: the working folder

    var workingPlace: Place { lock.withLock { folder } }

    /// The corresponding call is chdir(2).
    public func chdir(_ path: GuestPath) async throws(Errno) {
        let place = try await resolve(path)
        guard place.isFolder else { throw .notDirectory }
        try await require(X_OK, of: place)
        lock.withLock { folder = place }
    }

    /// Where the working folder was when it was entered. The corresponding call is getcwd(3).
    public var workingFolder: GuestPath { workingPlace.path }
}
