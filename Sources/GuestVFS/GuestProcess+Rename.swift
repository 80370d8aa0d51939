import CKernel
import FUSEWire
public import SystemPackage
import VirtioFSDriver

/// Renaming by path (fs/namei.c, do_renameat2 and vfs_rename).
extension GuestProcess {
    /// One side of a renaming: an entry of a folder, there or not.
    private struct Side {
        var folder: Place
        var name: EntryName
        var entry: Place?
        var hasTrailingSlash: Bool
    }

    /// The corresponding call is renameat2(2); `flags` are its `RENAME_NOREPLACE` and so on.
    public func rename(_ path: GuestPath, to newPath: GuestPath, flags: UInt32 = 0) async throws(Errno) {
        let exchanges = flags & UInt32(RENAME_EXCHANGE) != 0
        let keeps = flags & UInt32(RENAME_NOREPLACE) != 0
        let known = UInt32(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)
        guard flags & ~known == 0, !exchanges || flags == UInt32(RENAME_EXCHANGE) else { throw .invalidArgument }
        var walk = try await Walk(self, path)
        let last = try await walk.toLast()
        var newWalk = try await Walk(self, newPath)
        let newLast = try await newWalk.toLast()
        guard case .entry(let name) = last else { throw .resourceBusy }
        guard case .entry(let newName) = newLast else { throw keeps ? .fileExists : .resourceBusy }
        let old = Side(
            folder: walk.place, name: name, entry: try await lookup(name, in: walk.place),
            hasTrailingSlash: walk.hasTrailingSlash)
        let new = Side(
            folder: newWalk.place, name: newName, entry: try await present(newName, in: newWalk.place),
            hasTrailingSlash: newWalk.hasTrailingSlash)
        try checkShape(old, new, exchanges: exchanges, keeps: keeps)
        // Both names lead to one file: there is nothing to do.
        if let entry = new.entry, entry.id == old.entry!.id { return }
        try await checkRights(old, new, exchanges: exchanges)
        try await client.rename(old.folder.id, name, to: new.folder.id, newName, flags: flags, as: caller)
    }

    /// An entry, or nothing where there is none.
    func present(_ name: EntryName, in folder: Place) async throws(Errno) -> Place? {
        do throws(Errno) { return try await lookup(name, in: folder) } catch .noSuchFileOrDirectory { return nil }
    }

    private func checkShape(_ old: Side, _ new: Side, exchanges: Bool, keeps: Bool) throws(Errno) {
        let entry = old.entry!
        if keeps && new.entry != nil { throw .fileExists }
        if exchanges {
            guard let other = new.entry else { throw .noSuchFileOrDirectory }
            if !other.isFolder && new.hasTrailingSlash { throw .notDirectory }
        }
        if !entry.isFolder && (old.hasTrailingSlash || (!exchanges && new.hasTrailingSlash)) { throw .notDirectory }
        if new.folder.isBelow(entry) { throw .invalidArgument }
        if let target = new.entry, old.folder.isBelow(target) {
            throw exchanges ? .invalidArgument : .directoryNotEmpty
        }
    }

    private func checkRights(_ old: Side, _ new: Side, exchanges: Bool) async throws(Errno) {
        let entry = old.entry!
        try await requireRemoval(of: entry, from: old.folder)
        if let target = new.entry {
            try await requireRemoval(of: target, from: new.folder)
            if !exchanges && entry.isFolder && !target.isFolder { throw .notDirectory }
            if !exchanges && !entry.isFolder && target.isFolder { throw .isDirectory }
        } else {
            try await requireCreation(in: new.folder)
        }
        // A folder that changes its parent has its ".." written.
        guard old.folder.id != new.folder.id else { return }
        if entry.isFolder { try await require(W_OK, of: entry) }
        if exchanges, let target = new.entry, target.isFolder { try await require(W_OK, of: target) }
    }
}
