public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDriver

/// An open file or folder of a ``GuestProcess``. It has to be closed.
public final class GuestFile: @unchecked Sendable {
    public let process: GuestProcess
    public let handle: FileHandle
    /// As open(2) was given them.
    public let flags: Int32
    let place: Place
    /// As which the file holds its flock(2).
    let flockOwner = LockOwners.next()
    private let lock = Lock()
    private var offset: Int64 = 0

    init(_ process: GuestProcess, _ place: Place, _ opened: fuse_open_out, _ flags: Int32) {
        self.process = process
        self.place = place
        handle = FileHandle(rawValue: opened.fh)
        self.flags = flags
    }

    var client: FUSEClient { process.client }
    var caller: Caller { process.caller }
    public var node: NodeID { place.id }
    public var isFolder: Bool { place.isFolder }

    var canRead: Bool { flags & O_ACCMODE != O_WRONLY }
    var canWrite: Bool { flags & O_ACCMODE != O_RDONLY }

    /// The file's position. Calls that move it come one after another: two tasks that share a file take turns.
    var position: Int64 {
        get { lock.withLock { offset } }
        set { lock.withLock { offset = newValue } }
    }

    /// The corresponding call is close(2), with the error of the FLUSH, if any.
    public func close() async throws(Errno) {
        guard !isFolder else { return try await client.releasedir(node, handle, flags: flags, as: caller) }
        let flushed = await flush()
        try await client.release(node, handle, flags: flags, flockOwner: flockOwner, as: caller)
        try flushed.get()
    }

    /// A device without FLUSH has nothing to do for it.
    private func flush() async -> Result<Void, Errno> {
        do throws(Errno) {
            try await client.flush(node, handle, owner: process.lockOwner, as: caller)
            return .success(())
        } catch {
            return error == .noFunction ? .success(()) : .failure(error)
        }
    }

    // MARK: attributes

    /// The corresponding call is fstat(2).
    public func stat() async throws(Errno) -> fuse_attr {
        try await client.getattr(node, isFolder ? nil : handle, as: caller).attr
    }

    /// The corresponding call is fchmod(2).
    public func chmod(mode: UInt32) async throws(Errno) { try await process.changeMode(node, try await stat(), mode) }

    /// The corresponding call is fchown(2).
    public func chown(uid: UInt32? = nil, gid: UInt32? = nil) async throws(Errno) {
        try await process.changeOwner(node, try await stat(), uid, gid)
    }

    /// The corresponding call is futimens(3).
    public func utimens(access: timespec, modification: timespec) async throws(Errno) {
        try await process.changeTimes(node, try await stat(), access, modification)
    }

    /// The corresponding call is ftruncate(2).
    public func truncate(size: Int64) async throws(Errno) {
        guard size >= 0, canWrite, !isFolder else { throw .invalidArgument }
        try await process.changeSize(node, handle, size)
    }

    // MARK: folders

    /// All entries of a folder, "." and ".." among them.
    public func entries() async throws(Errno) -> [DirectoryEntry] {
        var all: [DirectoryEntry] = []
        var cookie: UInt64 = 0
        while true {
            let some = try await client.readdir(node, handle, after: cookie, flags: flags, as: caller)
            guard let last = some.last else { return all }
            all += some
            cookie = last.cookie
        }
    }
}
