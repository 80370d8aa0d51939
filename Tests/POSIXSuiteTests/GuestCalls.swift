import CKernel
import FUSEWire
import GuestVFS
import POSIXSuite
import Syscalls
import SystemPackage
import VirtioFSDriver

/// The suite's calls, made by a process of the simulated guest: from here to the device there is no kernel.
///
/// Each blocks its thread until the task behind it is done, so it must not be made on a thread of Swift's own.
final class GuestCalls: FileCalls {
    /// Open files by numbers, as a process has them.
    private final class Files: @unchecked Sendable {
        private let lock = Lock()
        private var open: [Int32: GuestFile] = [:]
        private var last: Int32 = 0

        func add(_ file: GuestFile) -> Int32 {
            lock.withLock {
                last += 1
                open[last] = file
                return last
            }
        }

        subscript(_ number: Int32) -> GuestFile? { lock.withLock { open[number] } }
        func remove(_ number: Int32) -> GuestFile? { lock.withLock { open.removeValue(forKey: number) } }
    }

    private let process: GuestProcess
    private let files: Files
    var folder: Int32? { nil }

    convenience init(_ process: GuestProcess) { self.init(process, Files()) }

    private init(_ process: GuestProcess, _ files: Files) {
        self.process = process
        self.files = files
    }

    private func other(_ caller: Caller, in path: GuestPath) throws(Errno) -> any FileCalls {
        let process = process
        let other = try wait { () async throws(Errno) in
            let other = try await GuestProcess(besides: process, as: caller)
            try await other.chdir(path)
            return other
        }
        return GuestCalls(other, files)
    }

    func entering(_ path: Path) throws(Errno) -> any FileCalls {
        let target = path.bytes.first == UInt8(ascii: "/") ? Path("") : Path(process.workingFolder.bytes) / path
        return try other(process.caller, in: GuestPath(target.bytes))
    }

    func becoming(_ user: User, umask: mode_t) throws(Errno) -> any FileCalls {
        let caller = Caller(
            uid: user.id, gid: user.group, pid: process.caller.pid, umask: umask, supplementaryGroups: user.others)
        return try other(caller, in: process.workingFolder)
    }

    /// Runs `body` in a task, and waits for it.
    func wait<Value: Sendable>(
        _ body: @escaping @Sendable () async throws(Errno) -> Value
    ) throws(Errno) -> Value {
        let box = Box<Value>()
        Task {
            do throws(Errno) {
                box.result = .success(try await body())
            } catch {
                box.result = .failure(error)
            }
            box.done.signal()
        }
        box.done.wait()
        return try box.result!.get()
    }

    private final class Box<Value>: @unchecked Sendable {
        let done = OneTimeEvent()
        /// Written before `done`, read after it.
        var result: Result<Value, Errno>?
    }

    // MARK: open files

    private func file(_ number: Int32) throws(Errno) -> GuestFile {
        guard let file = files[number] else { throw .badFileDescriptor }
        return file
    }

    func open(_ path: Path, _ flags: Int32, _ mode: mode_t) throws(Errno) -> Int32 {
        let process = process
        let file = try wait { () async throws(Errno) in try await process.open(path.guest, flags, mode: mode) }
        return files.add(file)
    }

    func close(_ number: Int32) {
        guard let file = files.remove(number) else { return }
        try? wait { () async throws(Errno) in try await file.close() }
    }

    func pread(_ number: Int32, _ count: Int, _ offset: Int) throws(Errno) -> [UInt8] {
        let file = try file(number)
        return try wait { () async throws(Errno) in try await file.read(count, at: Int64(offset)) }
    }

    func pwrite(_ number: Int32, _ bytes: [UInt8], _ offset: Int) throws(Errno) -> Int {
        let file = try file(number)
        return try wait { () async throws(Errno) in try await file.write(bytes, at: Int64(offset)) }
    }

    func fsync(_ number: Int32) throws(Errno) {
        let file = try file(number)
        try wait { () async throws(Errno) in try await file.sync() }
    }

    func ftruncate(_ number: Int32, _ size: Int) throws(Errno) {
        let file = try file(number)
        try wait { () async throws(Errno) in try await file.truncate(size: Int64(size)) }
    }

    func fallocate(_ number: Int32, _ mode: Int32, _ offset: Int, _ length: Int) throws(Errno) {
        let file = try file(number)
        try wait { () async throws(Errno) in
            try await file.allocate(at: Int64(offset), length: Int64(length), mode: mode)
        }
    }

    func lseek(_ number: Int32, _ offset: Int, _ whence: Int32) throws(Errno) -> Int {
        let file = try file(number)
        return Int(try wait { () async throws(Errno) in try await file.seek(to: Int64(offset), whence) })
    }

    func copyFileRange(
        _ from: Int32, _ fromOffset: Int, _ to: Int32, _ toOffset: Int, _ count: Int
    ) throws(Errno) -> Int {
        let (source, target) = (try file(from), try file(to))
        return try wait { () async throws(Errno) in
            try await source.copy(from: Int64(fromOffset), to: target, at: Int64(toOffset), count: count)
        }
    }

    func fstat(_ number: Int32) throws(Errno) -> Status {
        let file = try file(number)
        return Status(try wait { () async throws(Errno) in try await file.stat() })
    }
}

extension GuestCalls {
    /// Runs `body` with the process, in a task, and waits for it.
    private func run<Value: Sendable>(
        _ body: @escaping @Sendable (GuestProcess) async throws(Errno) -> Value
    ) throws(Errno) -> Value {
        let process = process
        return try wait { () async throws(Errno) in try await body(process) }
    }

    func stat(_ path: Path, follow: Bool) throws(Errno) -> Status {
        Status(try run { process async throws(Errno) in try await process.stat(path.guest, follows: follow) })
    }

    func mkdir(_ path: Path, _ mode: mode_t) throws(Errno) {
        try run { process async throws(Errno) in try await process.mkdir(path.guest, mode: mode) }
    }

    func mknod(_ path: Path, _ mode: mode_t, _ major: UInt32, _ minor: UInt32) throws(Errno) {
        // new_encode_dev of include/linux/kdev_t.h.
        let device = (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)
        try run { process async throws(Errno) in try await process.mknod(path.guest, mode: mode, device: device) }
    }

    func symlink(_ target: Path, _ path: Path) throws(Errno) {
        try run { process async throws(Errno) in try await process.symlink(path.guest, target: target.guest) }
    }

    func readlink(_ path: Path) throws(Errno) -> Path {
        Path(try run { process async throws(Errno) in try await process.readlink(path.guest) }.bytes)
    }

    func link(_ path: Path, _ newPath: Path) throws(Errno) {
        try run { process async throws(Errno) in try await process.link(path.guest, to: newPath.guest) }
    }

    func unlink(_ path: Path) throws(Errno) {
        try run { process async throws(Errno) in try await process.unlink(path.guest) }
    }

    func rmdir(_ path: Path) throws(Errno) {
        try run { process async throws(Errno) in try await process.rmdir(path.guest) }
    }

    func rename(_ path: Path, _ newPath: Path, _ flags: UInt32) throws(Errno) {
        try run { process async throws(Errno) in
            try await process.rename(path.guest, to: newPath.guest, flags: flags)
        }
    }

    func truncate(_ path: Path, _ size: Int) throws(Errno) {
        try run { process async throws(Errno) in try await process.truncate(path.guest, size: Int64(size)) }
    }

    func access(_ path: Path, _ mode: Int32) throws(Errno) {
        try run { process async throws(Errno) in try await process.access(path.guest, mode) }
    }

    func chmod(_ path: Path, _ mode: mode_t) throws(Errno) {
        try run { process async throws(Errno) in try await process.chmod(path.guest, mode: mode) }
    }

    func lchown(_ path: Path, _ user: uid_t?, _ group: gid_t?) throws(Errno) {
        try run { process async throws(Errno) in
            try await process.chown(path.guest, uid: user, gid: group, follows: false)
        }
    }

    func utimens(_ path: Path, _ accessed: FileTime, _ modified: FileTime, follow: Bool) throws(Errno) {
        let access = timespec(tv_sec: accessed.seconds, tv_nsec: accessed.nanoseconds)
        let modification = timespec(tv_sec: modified.seconds, tv_nsec: modified.nanoseconds)
        try run { process async throws(Errno) in
            try await process.utimens(path.guest, access: access, modification: modification, follows: follow)
        }
    }

    func list(_ path: Path) throws(Errno) -> [FolderEntry] {
        let entries = try run { process async throws(Errno) in
            let folder = try await process.open(path.guest, O_RDONLY | O_DIRECTORY)
            let entries = try await folder.entries()
            try await folder.close()
            return entries
        }
        return entries.filter { $0.name != "." && $0.name != ".." }
            .map { FolderEntry(name: Path($0.name.bytes), type: $0.type, inode: $0.inode) }
    }

    func setxattr(_ path: Path, _ name: Path, _ value: [UInt8], _ flags: Int32) throws(Errno) {
        try run { process async throws(Errno) in
            try await process.setxattr(path.guest, EntryName(name.bytes), value, flags: flags, follows: false)
        }
    }

    func getxattr(_ path: Path, _ name: Path) throws(Errno) -> [UInt8] {
        try run { process async throws(Errno) in
            try await process.getxattr(path.guest, EntryName(name.bytes), follows: false)
        }
    }

    func listxattr(_ path: Path) throws(Errno) -> [Path] {
        try run { process async throws(Errno) in try await process.listxattr(path.guest, follows: false) }
            .map { Path($0.bytes) }
    }

    func removexattr(_ path: Path, _ name: Path) throws(Errno) {
        try run { process async throws(Errno) in
            try await process.removexattr(path.guest, EntryName(name.bytes), follows: false)
        }
    }
}

extension Path {
    fileprivate var guest: GuestPath { GuestPath(bytes) }
}

extension Status {
    fileprivate init(_ attributes: fuse_attr) {
        func time(_ seconds: UInt64, _ nanoseconds: UInt32) -> FileTime {
            FileTime(Int(Int64(bitPattern: seconds)), Int(nanoseconds))
        }
        let device = attributes.rdev
        self.init(
            mode: attributes.mode, links: UInt64(attributes.nlink), user: attributes.uid, group: attributes.gid,
            size: Int(attributes.size), blocks: Int(attributes.blocks), inode: attributes.ino,
            node: (major: (device & 0xfff00) >> 8, minor: (device & 0xff) | ((device >> 12) & 0xfff00)),
            accessed: time(attributes.atime, attributes.atimensec),
            modified: time(attributes.mtime, attributes.mtimensec),
            changed: time(attributes.ctime, attributes.ctimensec))
    }
}
