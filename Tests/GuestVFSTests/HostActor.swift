import CKernel
import Glibc
import Syscalls
import SystemPackage
import VirtioFSDriver

/// Acts on a host folder as some user, with the folder as its root.
struct HostActor {
    let root: String
    let caller: Caller

    /// On a thread of its own: identity, root and umask are that thread's alone.
    func perform(_ action: Action) throws -> Outcome {
        nonisolated(unsafe) var outcome: Outcome?
        let thread = try OSThread(name: "host-actor") {
            guard chroot(root) == 0, chdir("/") == 0 else { return }
            umask(caller.umask)
            _ = ck_setgroups(caller.supplementaryGroups.count, caller.supplementaryGroups)
            _ = ck_setfsgid(caller.gid)
            _ = ck_setfsuid(caller.uid)
            outcome = call(action)
        }
        thread.join()
        return outcome!
    }

    private func call(_ action: Action) -> Outcome {
        switch action {
        case .stat(let path, let follows): return status(path, follows)
        case .access(let path, let mask): return result(faccessat(AT_FDCWD, path, mask, AT_EACCESS))
        case .readlink(let path): return readLink(path)
        case .list(let path): return list(path)
        case .mkdir(let path, let mode): return result(Glibc.mkdir(path, mode))
        case .mknod(let path, let mode): return result(Glibc.mknod(path, mode, 0))
        case .symlink(let path, let target): return result(Glibc.symlink(target, path))
        case .link(let path, let newPath, let follows):
            return result(linkat(AT_FDCWD, path, AT_FDCWD, newPath, follows ? AT_SYMLINK_FOLLOW : 0))
        case .unlink(let path): return result(Glibc.unlink(path))
        case .rmdir(let path): return result(Glibc.rmdir(path))
        case .rename(let path, let newPath, let flags):
            return result(renameat2(AT_FDCWD, path, AT_FDCWD, newPath, flags))
        case .open(let path, let flags, let mode): return open(path, flags, mode)
        case .chmod(let path, let mode): return result(Glibc.chmod(path, mode))
        case .chown(let path, let uid, let gid, let follows):
            return result(fchownat(AT_FDCWD, path, uid ?? .max, gid ?? .max, follows ? 0 : AT_SYMLINK_NOFOLLOW))
        case .truncate(let path, let size): return result(Glibc.truncate(path, Int(size)))
        case .utimens(let path, let access, let modification, let follows):
            return result(
                utimensat(AT_FDCWD, path, [access, modification], follows ? 0 : AT_SYMLINK_NOFOLLOW))
        case .setxattr(let path, let name, let value, let flags):
            return result(CKernel.setxattr(path, name, value, value.count, flags))
        case .getxattr(let path, let name): return attribute(path, name)
        case .removexattr(let path, let name): return result(CKernel.removexattr(path, name))
        }
    }

    private func result<Number: SignedInteger>(_ result: Number) -> Outcome {
        result < 0 ? .failed(Errno(rawValue: errno)) : .done("")
    }

    private func status(_ path: String, _ follows: Bool) -> Outcome {
        var found = Glibc.stat()
        guard fstatat(AT_FDCWD, path, &found, follows ? 0 : AT_SYMLINK_NOFOLLOW) == 0 else { return result(-1) }
        return .status(
            mode: found.st_mode, uid: found.st_uid, gid: found.st_gid, links: UInt32(found.st_nlink),
            size: UInt64(found.st_size))
    }

    private func readLink(_ path: String) -> Outcome {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes {
            Glibc.readlink(path, $0.assumingMemoryBound(to: CChar.self).baseAddress!, $0.count)
        }
        return count < 0 ? result(count) : .done(String(decoding: buffer.prefix(count), as: UTF8.self))
    }

    private func list(_ path: String) -> Outcome {
        guard let folder = opendir(path) else { return result(-1) }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = Glibc.readdir(folder) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return .done(names.sorted().joined(separator: " "))
    }

    private func open(_ path: String, _ flags: Int32, _ mode: UInt32) -> Outcome {
        let file = ck_openat(AT_FDCWD, path, flags, mode)
        guard file >= 0 else { return result(file) }
        defer { Glibc.close(file) }
        var status = Glibc.stat()
        guard fstat(file, &status) == 0 else { return result(-1) }
        // The guest opens no FIFO.
        guard status.st_mode & S_IFMT != S_IFIFO else { return .failed(Errno(rawValue: ENXIO)) }
        guard status.st_mode & S_IFMT == S_IFREG else { return .done("folder") }
        guard flags & O_ACCMODE == O_RDONLY else { return result(Glibc.write(file, "xyz", 3)) }
        var buffer = [UInt8](repeating: 0, count: 100)
        let count = Glibc.read(file, &buffer, buffer.count)
        return count < 0 ? result(count) : .done("\(buffer.prefix(count))")
    }

    private func attribute(_ path: String, _ name: String) -> Outcome {
        var value = [UInt8](repeating: 0, count: 1000)
        let count = CKernel.getxattr(path, name, &value, value.count)
        return count < 0 ? result(count) : .done("\(value.prefix(count))")
    }
}
