import CKernel
import GuestVFS
import SystemPackage
import VirtioFSDriver

/// Acts through the driver as some user.
struct GuestActor {
    let process: GuestProcess

    func perform(_ action: Action) async -> Outcome {
        do throws(Errno) {
            return .done(try await call(action))
        } catch {
            return .failed(error)
        }
    }

    private func call(_ action: Action) async throws(Errno) -> String {
        switch action {
        case .stat(let path, let follows): return try await status(GuestPath(path), follows)
        case .access(let path, let mask): try await process.access(GuestPath(path), mask)
        case .readlink(let path): return "\(try await process.readlink(GuestPath(path)))"
        case .list(let path): return try await list(GuestPath(path))
        case .mkdir(let path, let mode): try await process.mkdir(GuestPath(path), mode: mode)
        case .mknod(let path, let mode): try await process.mknod(GuestPath(path), mode: mode)
        case .symlink(let path, let target):
            try await process.symlink(GuestPath(path), target: GuestPath(target))
        case .link(let path, let newPath, let follows):
            try await process.link(GuestPath(path), to: GuestPath(newPath), follows: follows)
        case .unlink(let path): try await process.unlink(GuestPath(path))
        case .rmdir(let path): try await process.rmdir(GuestPath(path))
        case .rename(let path, let newPath, let flags):
            try await process.rename(GuestPath(path), to: GuestPath(newPath), flags: flags)
        case .open(let path, let flags, let mode): return try await open(GuestPath(path), flags, mode)
        case .chmod(let path, let mode): try await process.chmod(GuestPath(path), mode: mode)
        case .chown(let path, let uid, let gid, let follows):
            try await process.chown(GuestPath(path), uid: uid, gid: gid, follows: follows)
        case .truncate(let path, let size): try await process.truncate(GuestPath(path), size: size)
        case .utimens(let path, let access, let modification, let follows):
            try await process.utimens(
                GuestPath(path), access: access, modification: modification, follows: follows)
        case .setxattr(let path, let name, let value, let flags):
            try await process.setxattr(GuestPath(path), EntryName(name), value, flags: flags)
        case .getxattr(let path, let name):
            return "\(try await process.getxattr(GuestPath(path), EntryName(name)))"
        case .removexattr(let path, let name): try await process.removexattr(GuestPath(path), EntryName(name))
        }
        return ""
    }

    private func status(_ path: GuestPath, _ follows: Bool) async throws(Errno) -> String {
        let found = try await process.stat(path, follows: follows)
        guard
            case .done(let text) = Outcome.status(
                mode: found.mode, uid: found.uid, gid: found.gid, links: found.nlink, size: found.size)
        else { return "" }
        return text
    }

    private func list(_ path: GuestPath) async throws(Errno) -> String {
        let folder = try await process.open(path, O_RDONLY | O_DIRECTORY)
        let entries = try await folder.entries()
        try await folder.close()
        return entries.map(\.name.description).sorted().joined(separator: " ")
    }

    private func open(_ path: GuestPath, _ flags: Int32, _ mode: UInt32) async throws(Errno) -> String {
        let file = try await process.open(path, flags, mode: mode)
        do throws(Errno) {
            var text = "folder"
            if !file.isFolder {
                if flags & O_ACCMODE == O_RDONLY {
                    text = "\(try await file.read(100)[...])"
                } else {
                    try await file.write(Array("xyz".utf8))
                    text = ""
                }
            }
            try await file.close()
            return text
        } catch {
            try await file.close()
            throw error
        }
    }
}
