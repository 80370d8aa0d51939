import CKernel
import FUSEWire
public import SystemPackage
import VirtioFSDriver

/// Making, linking, renaming and removing by path (fs/namei.c).
extension GuestProcess {
    /// The folder and name of something that is to be made (filename_create).
    ///
    /// - Parameter isFolder: whether a slash may be behind the name.
    private func newEntry(_ path: GuestPath, isFolder: Bool = false) async throws(Errno) -> (Place, EntryName) {
        var walk = try await Walk(self, path)
        guard case .entry(let name) = try await walk.toLast() else { throw .fileExists }
        do throws(Errno) {
            _ = try await lookup(name, in: walk.place)
        } catch .noSuchFileOrDirectory {
            if walk.hasTrailingSlash && !isFolder { throw .noSuchFileOrDirectory }
            return (walk.place, name)
        }
        throw .fileExists
    }

    /// The corresponding call is mkdir(2).
    public func mkdir(_ path: GuestPath, mode: UInt32) async throws(Errno) {
        let (folder, name) = try await newEntry(path, isFolder: true)
        try await requireCreation(in: folder)
        // Of the high bits the sticky one is all that mkdir(2) heeds.
        let entry = try await client.mkdir(
            folder.id, name, mode: mode & (0o777 | UInt32(S_ISVTX)), folderGroup: folder.attributes.gid, as: caller)
        forget(entry)
    }

    /// The corresponding call is mknod(2).
    ///
    /// - Parameters:
    ///   - mode: type and permissions; no type means a regular file.
    ///   - device: of a device node, as ``fuse_attr/rdev`` has it.
    public func mknod(_ path: GuestPath, mode: UInt32, device: UInt32 = 0) async throws(Errno) {
        let mode = mode & UInt32(S_IFMT) == 0 ? mode | UInt32(S_IFREG) : mode
        let type = Int32(mode & UInt32(S_IFMT))
        guard type != S_IFDIR else { throw .notPermitted }
        guard [S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK].contains(type) else { throw .invalidArgument }
        let (folder, name) = try await newEntry(path)
        try await requireCreation(in: folder)
        guard isPrivileged || (type != S_IFCHR && type != S_IFBLK) else { throw .notPermitted }
        let entry = try await client.mknod(
            folder.id, name, mode: mode, device: device, folderGroup: folder.attributes.gid, as: caller)
        forget(entry)
    }

    /// The corresponding call is symlink(2).
    public func symlink(_ path: GuestPath, target: GuestPath) async throws(Errno) {
        guard !target.bytes.isEmpty else { throw .noSuchFileOrDirectory }
        guard target.bytes.count < GuestPath.largestSize else { throw .fileNameTooLong }
        let (folder, name) = try await newEntry(path)
        try await requireCreation(in: folder)
        let entry = try await client.symlink(
            folder.id, name, target: EntryName(target.bytes), folderGroup: folder.attributes.gid, as: caller)
        forget(entry)
    }

    private func forget(_ entry: fuse_entry_out) { client.forget(NodeID(rawValue: entry.nodeid)) }

    /// Another name for a file. The corresponding call is linkat(2).
    ///
    /// - Parameter follows: whether a link at the end of `source` is followed (`AT_SYMLINK_FOLLOW`).
    public func link(_ source: GuestPath, to path: GuestPath, follows: Bool = false) async throws(Errno) {
        let file = try await resolve(source, follows: follows)
        let (folder, name) = try await newEntry(path)
        try await requireLinkable(file)
        try await requireCreation(in: folder)
        guard !file.isFolder else { throw .notPermitted }
        forget(try await client.link(file.id, to: folder.id, name, as: caller))
    }

    /// sysctl fs.protected_hardlinks (fs/namei.c, may_linkat).
    private func requireLinkable(_ file: Place) async throws(Errno) {
        guard protections.hardlinks, !isPrivileged, file.attributes.uid != caller.uid else { return }
        let mode = file.attributes.mode
        let setGID = UInt32(S_ISGID) | 0o010
        guard file.attributes.isRegular, mode & UInt32(S_ISUID) == 0, mode & setGID != setGID else {
            throw .notPermitted
        }
        do throws(Errno) { try await require(R_OK | W_OK, of: file) } catch { throw .notPermitted }
    }

    // MARK: removing

    /// The corresponding call is unlink(2).
    public func unlink(_ path: GuestPath) async throws(Errno) {
        var walk = try await Walk(self, path)
        guard case .entry(let name) = try await walk.toLast() else { throw .isDirectory }
        let entry = try await lookup(name, in: walk.place)
        if walk.hasTrailingSlash { throw entry.isFolder ? .isDirectory : .notDirectory }
        try await requireRemoval(of: entry, from: walk.place)
        guard !entry.isFolder else { throw .isDirectory }
        try await client.unlink(walk.place.id, name, as: caller)
    }

    /// The corresponding call is rmdir(2).
    public func rmdir(_ path: GuestPath) async throws(Errno) {
        var walk = try await Walk(self, path)
        switch try await walk.toLast() {
        case .root: throw .resourceBusy
        case .dot: throw .invalidArgument
        case .dotDot: throw .directoryNotEmpty
        case .entry(let name):
            let entry = try await lookup(name, in: walk.place)
            try await requireRemoval(of: entry, from: walk.place)
            guard entry.isFolder else { throw .notDirectory }
            try await client.rmdir(walk.place.id, name, as: caller)
        }
    }
}
