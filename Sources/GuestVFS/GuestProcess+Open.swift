import CKernel
import FUSEWire
public import SystemPackage
import VirtioFSDriver

/// Opening by path (fs/namei.c, do_open and lookup_open).
extension GuestProcess {
    /// The corresponding call is open(2), without `O_PATH`.
    public func open(_ path: GuestPath, _ flags: Int32, mode: UInt32 = 0) async throws(Errno) -> GuestFile {
        guard flags & O_PATH == 0 else { throw .invalidArgument }
        if flags & ck_o_tmpfile == ck_o_tmpfile { return try await openNameless(path, flags, mode) }
        if flags & (O_CREAT | O_DIRECTORY) == O_CREAT | O_DIRECTORY { throw .invalidArgument }
        guard flags & O_CREAT != 0 else {
            let place = try await resolve(path, follows: flags & O_NOFOLLOW == 0)
            if place.isLink { throw flags & O_DIRECTORY != 0 ? .notDirectory : .tooManySymbolicLinkLevels }
            return try await open(place, flags)
        }
        return try await openOrCreate(path, flags, mode)
    }

    private func openOrCreate(_ path: GuestPath, _ flags: Int32, _ mode: UInt32) async throws(Errno) -> GuestFile {
        var walk = try await Walk(self, path)
        while true {
            guard case .entry(let name) = try await walk.toLast() else {
                throw flags & O_EXCL != 0 ? .fileExists : .isDirectory
            }
            guard !walk.hasTrailingSlash else { throw .isDirectory }
            guard let entry = try await present(name, in: walk.place) else {
                return try await create(name, in: walk.place, flags, mode)
            }
            if flags & O_EXCL != 0 { throw .fileExists }
            if entry.isLink && flags & O_NOFOLLOW == 0 {
                try await walk.follow(entry)
                continue
            }
            if entry.isFolder { throw .isDirectory }
            guard mayOpenForCreation(entry, in: walk.place.attributes) else { throw .permissionDenied }
            if entry.isLink { throw .tooManySymbolicLinkLevels }
            return try await open(entry, flags)
        }
    }

    private func create(
        _ name: EntryName, in folder: Place, _ flags: Int32, _ mode: UInt32
    ) async throws(Errno) -> GuestFile {
        try await requireCreation(in: folder)
        let made = try await client.create(
            folder.id, name, mode: mode & 0o7777, flags: flags, folderGroup: folder.attributes.gid, as: caller)
        return GuestFile(self, place(made.entry, name, in: folder), made.open, flags)
    }

    private func openNameless(_ path: GuestPath, _ flags: Int32, _ mode: UInt32) async throws(Errno) -> GuestFile {
        guard flags & O_ACCMODE != O_RDONLY else { throw .invalidArgument }
        let folder = try await resolve(path)
        guard folder.isFolder else { throw .notDirectory }
        try await requireCreation(in: folder)
        let made = try await client.tmpfile(
            folder.id, mode: mode & 0o7777, flags: flags, folderGroup: folder.attributes.gid, as: caller)
        return GuestFile(self, place(made.entry, "", in: folder), made.open, flags)
    }

    /// Opens what is there (may_open).
    func open(_ place: Place, _ flags: Int32) async throws(Errno) -> GuestFile {
        if flags & O_DIRECTORY != 0 && !place.isFolder { throw .notDirectory }
        let mask = accessMask(flags)
        if place.isFolder && mask & W_OK != 0 { throw .isDirectory }
        try await require(mask, of: place)
        if flags & O_NOATIME != 0 { try requireOwner(place.attributes) }
        if place.isFolder {
            return GuestFile(self, place, try await client.opendir(place.id, flags: flags, as: caller), flags)
        }
        guard place.attributes.isRegular else { throw Errno(rawValue: ENXIO) }
        let opened = try await client.open(place.id, flags: sentFlags(flags), as: caller)
        let file = GuestFile(self, place, opened, flags)
        guard flags & O_TRUNC != 0 && !client.negotiated.contains(.atomicTruncate) else { return file }
        do throws(Errno) {
            try await changeSize(place.id, file.handle, 0)
            return file
        } catch {
            try await file.close()
            throw error
        }
    }

    private func sentFlags(_ flags: Int32) -> Int32 {
        client.negotiated.contains(.atomicTruncate) ? flags : flags & ~O_TRUNC
    }

    private func accessMask(_ flags: Int32) -> Int32 {
        let mask =
            switch flags & O_ACCMODE {
            case O_RDONLY: R_OK
            case O_WRONLY: W_OK
            default: R_OK | W_OK
            }
        return flags & O_TRUNC != 0 ? mask | W_OK : mask
    }
}
