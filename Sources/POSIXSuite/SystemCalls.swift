public import CKernel
import Glibc
public import SystemPackage

/// The kernel's calls on a folder.
public final class SystemCalls: FileCalls {
    private let descriptor: Int32
    public var folder: Int32? { descriptor }

    /// Opens a folder, named from another one or from the working folder.
    public init(_ path: Path, in folder: Int32 = AT_FDCWD) throws(Errno) {
        descriptor = try path.withPointer { path throws(Errno) in
            try call(ck_openat(folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0))
        }
    }

    deinit { _ = CKernel.close(descriptor) }

    public func entering(_ path: Path) throws(Errno) -> any FileCalls { try SystemCalls(path, in: descriptor) }

    public func becoming(_ user: User, umask: mode_t) -> any FileCalls { self }

    // MARK: open files

    public func open(_ path: Path, _ flags: Int32, _ mode: mode_t) throws(Errno) -> Int32 {
        try path.withPointer { path throws(Errno) in try call(ck_openat(descriptor, path, flags | O_CLOEXEC, mode)) }
    }

    public func close(_ file: Int32) { _ = CKernel.close(file) }

    public func pread(_ file: Int32, _ count: Int, _ offset: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let read = try call(pread64(file, &bytes, count, offset))
        return Array(bytes.prefix(read))
    }

    public func pwrite(_ file: Int32, _ bytes: [UInt8], _ offset: Int) throws(Errno) -> Int {
        try call(pwrite64(file, bytes, bytes.count, offset))
    }

    public func fsync(_ file: Int32) throws(Errno) { try call(CKernel.fsync(file)) }

    public func ftruncate(_ file: Int32, _ size: Int) throws(Errno) { try call(ftruncate64(file, size)) }

    public func fallocate(_ file: Int32, _ mode: Int32, _ offset: Int, _ length: Int) throws(Errno) {
        try call(fallocate64(file, mode, offset, length))
    }

    public func lseek(_ file: Int32, _ offset: Int, _ whence: Int32) throws(Errno) -> Int {
        try call(lseek64(file, offset, whence))
    }

    public func copyFileRange(
        _ from: Int32, _ fromOffset: Int, _ to: Int32, _ toOffset: Int, _ count: Int
    ) throws(Errno) -> Int {
        var (fromOffset, toOffset) = (fromOffset, toOffset)
        return try call(copy_file_range(from, &fromOffset, to, &toOffset, count, 0))
    }

    public func fstat(_ file: Int32) throws(Errno) -> Status {
        Status(try readStatus(file, "", AT_EMPTY_PATH))
    }

    // MARK: paths

    public func stat(_ path: Path, follow: Bool) throws(Errno) -> Status {
        Status(try readStatus(descriptor, path, follow ? 0 : AT_SYMLINK_NOFOLLOW))
    }

    public func mkdir(_ path: Path, _ mode: mode_t) throws(Errno) {
        try path.withPointer { path throws(Errno) in try call(mkdirat(descriptor, path, mode)) }
    }

    public func mknod(_ path: Path, _ mode: mode_t, _ major: UInt32, _ minor: UInt32) throws(Errno) {
        try path.withPointer { path throws(Errno) in
            try call(mknodat(descriptor, path, mode, ck_makedev(major, minor)))
        }
    }

    public func symlink(_ target: Path, _ path: Path) throws(Errno) {
        try target.withPointer { target throws(Errno) in
            try path.withPointer { path throws(Errno) in try call(symlinkat(target, descriptor, path)) }
        }
    }

    public func readlink(_ path: Path) throws(Errno) -> Path {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = try path.withPointer { path throws(Errno) in
            try call(readlinkat(descriptor, path, &target, target.count))
        }
        return Path(target.prefix(count).map { UInt8(bitPattern: $0) })
    }

    public func link(_ path: Path, _ newPath: Path) throws(Errno) {
        try path.withPointer { path throws(Errno) in
            try newPath.withPointer { new throws(Errno) in try call(linkat(descriptor, path, descriptor, new, 0)) }
        }
    }

    public func unlink(_ path: Path) throws(Errno) {
        try path.withPointer { path throws(Errno) in try call(unlinkat(descriptor, path, 0)) }
    }

    public func rmdir(_ path: Path) throws(Errno) {
        try path.withPointer { path throws(Errno) in try call(unlinkat(descriptor, path, AT_REMOVEDIR)) }
    }

    public func rename(_ path: Path, _ newPath: Path, _ flags: UInt32) throws(Errno) {
        try path.withPointer { path throws(Errno) in
            try newPath.withPointer { new throws(Errno) in
                try call(renameat2(descriptor, path, descriptor, new, flags))
            }
        }
    }

    public func truncate(_ path: Path, _ size: Int) throws(Errno) {
        // There is no truncateat(2).
        try reachable(path).withPointer { path throws(Errno) in try call(truncate64(path, size)) }
    }

    public func access(_ path: Path, _ mode: Int32) throws(Errno) {
        try path.withPointer { path throws(Errno) in try call(faccessat(descriptor, path, mode, 0)) }
    }

    public func chmod(_ path: Path, _ mode: mode_t) throws(Errno) {
        try path.withPointer { path throws(Errno) in try call(fchmodat(descriptor, path, mode, 0)) }
    }

    public func lchown(_ path: Path, _ user: uid_t?, _ group: gid_t?) throws(Errno) {
        try path.withPointer { path throws(Errno) in
            try call(fchownat(descriptor, path, user ?? .max, group ?? .max, AT_SYMLINK_NOFOLLOW))
        }
    }

    public func utimens(_ path: Path, _ accessed: FileTime, _ modified: FileTime, follow: Bool) throws(Errno) {
        let times = [accessed.timespec, modified.timespec]
        try path.withPointer { path throws(Errno) in
            try call(utimensat(descriptor, path, times, follow ? 0 : AT_SYMLINK_NOFOLLOW))
        }
    }
}
