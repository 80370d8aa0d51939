import CKernel
import VirtioFSDriver
import VirtioTestSupport

/// A call by path, to be made of the host and of the guest.
enum Action {
    case stat(String, follows: Bool)
    case access(String, Int32)
    case readlink(String)
    case list(String)
    case mkdir(String, UInt32)
    case mknod(String, UInt32)
    case symlink(String, target: String)
    case link(String, to: String, follows: Bool)
    case unlink(String)
    case rmdir(String)
    case rename(String, to: String, UInt32)
    /// Opens, writes or reads a little, and closes.
    case open(String, Int32, UInt32)
    case chmod(String, UInt32)
    case chown(String, UInt32?, UInt32?, follows: Bool)
    case truncate(String, Int64)
    case utimens(String, timespec, timespec, follows: Bool)
    case setxattr(String, String, [UInt8], Int32)
    case getxattr(String, String)
    case removexattr(String, String)
}

extension Action {
    /// One that the generator chooses, on paths of a few names so that they meet.
    static func random(_ generator: inout SeededGenerator) -> Action {
        let path = randomPath(&generator)
        let follows = generator.next() % 2 == 0
        let mode = generator.pick(
            [0o777, 0o755, 0o700, 0o070, 0o007, 0o1777, 0o2775, 0o4755, 0o6711, 0o000] as [UInt32])
        switch generator.next() % 26 {
        case 0, 1: return .stat(path, follows: follows)
        case 2: return .access(path, generator.pick([0, R_OK, W_OK, X_OK, R_OK | X_OK] as [Int32]))
        case 3: return .readlink(path)
        case 4: return .list(path)
        case 5, 6, 7, 8: return .mkdir(path, mode)
        case 9: return .mknod(path, mode | UInt32(generator.pick([S_IFREG, S_IFIFO, S_IFSOCK, 0] as [Int32])))
        case 10, 11:
            return .symlink(path, target: generator.once(in: 3) ? "/" + randomPath(&generator) : randomPath(&generator))
        case 12: return .link(path, to: randomPath(&generator), follows: follows)
        case 13: return .unlink(path)
        case 14: return .rmdir(path)
        case 15, 16:
            let flags = generator.pick([0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE] as [Int32])
            return .rename(path, to: randomPath(&generator), UInt32(flags))
        case 17, 18, 19: return .open(path, randomFlags(&generator), mode)
        case 20: return .chmod(path, mode)
        case 21: return .chown(path, randomID(&generator), randomID(&generator), follows: follows)
        case 22: return .truncate(path, generator.pick([-1, 0, 1, 5000] as [Int64]))
        case 23: return .utimens(path, randomTime(&generator), randomTime(&generator), follows: follows)
        case 24:
            return .setxattr(
                path, "user.x", [1, 2, 3], generator.pick([0, Int32(XATTR_CREATE), Int32(XATTR_REPLACE)]))
        default: return randomAttribute(path, &generator)
        }
    }

    private static func randomAttribute(_ path: String, _ generator: inout SeededGenerator) -> Action {
        switch generator.next() % 5 {
        case 0: .getxattr(path, "user.x")
        case 1: .removexattr(path, "user.x")
        case 2: .removexattr(path, "system.posix_acl_access")
        default: .setxattr(path, "system.posix_acl_access", randomACL(&generator), 0)
        }
    }

    /// Owner, one user, owning group, one group, mask, others (linux/posix_acl_xattr.h).
    private static func randomACL(_ generator: inout SeededGenerator) -> [UInt8] {
        var value: [UInt8] = [2, 0, 0, 0]
        let user = generator.pick(Identities.users)
        let group = generator.pick(Identities.groups)
        for (tag, id) in [(0x01, UInt32.max), (0x02, user), (0x04, .max), (0x08, group), (0x10, .max), (0x20, .max)] {
            withUnsafeBytes(of: UInt16(tag)) { value += Array($0) }
            withUnsafeBytes(of: UInt16(generator.next() % 8)) { value += Array($0) }
            withUnsafeBytes(of: id) { value += Array($0) }
        }
        return value
    }

    private static func randomPath(_ generator: inout SeededGenerator) -> String {
        var path = generator.once(in: 20) ? "/" : ""
        let count = 1 + generator.next() % 3
        for index in 0..<count {
            if index > 0 { path += generator.once(in: 15) ? "//" : "/" }
            path += generator.pick(["a", "b", "c", "d", "a", "b", "c", "d", "a", "b", "c", "d", ".", ".."])
        }
        if generator.once(in: 12) { path += "/" }
        if generator.once(in: 200) { path = "" }
        return path
    }

    private static func randomFlags(_ generator: inout SeededGenerator) -> Int32 {
        var flags = generator.pick([O_RDONLY, O_WRONLY, O_RDWR] as [Int32]) | O_NONBLOCK
        for extra in [O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_NOATIME, O_CREAT] {
            if generator.once(in: 4) { flags |= extra }
        }
        // Undefined by open(2) without O_CREAT.
        return flags & O_CREAT == 0 ? flags & ~O_EXCL : flags
    }

    private static func randomID(_ generator: inout SeededGenerator) -> UInt32? {
        generator.once(in: 3) ? nil : generator.pick(Identities.users + Identities.groups)
    }

    private static func randomTime(_ generator: inout SeededGenerator) -> timespec {
        let seconds = generator.pick([0, -5, 1_000_000_000] as [Int])
        return timespec(
            tv_sec: seconds, tv_nsec: generator.pick([0, 999_999_999, (1 << 30) - 1, (1 << 30) - 2, 1_000_000_000]))
    }
}

/// Who acts in the tests.
enum Identities {
    static let users: [UInt32] = [0, 1001, 1002]
    static let groups: [UInt32] = [0, 1001, 1002, 2000]
    static let callers = [
        Caller(uid: 0, gid: 0, umask: 0o022),
        Caller(uid: 1001, gid: 1001, umask: 0o002, supplementaryGroups: [2000]),
        Caller(uid: 1002, gid: 1002, umask: 0o027, supplementaryGroups: [1001, 2000]),
        Caller(uid: 1002, gid: 2000, umask: 0),
    ]
}
