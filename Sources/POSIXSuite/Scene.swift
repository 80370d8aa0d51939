import CKernel
import SystemPackage

/// What a case gets: a folder of its own, empty at first, and ways to use it.
final class Scene: Sendable {
    let files: any FileCalls
    /// The same folder by another way.
    let other: any FileCalls

    init(_ files: any FileCalls, other: any FileCalls) {
        self.files = files
        self.other = other
    }

    /// The same folder by the other way.
    var otherView: Scene { Scene(other, other: files) }
    /// The folder's descriptor, for cases that need the kernel.
    var folder: Int32 { files.folder! }

    // MARK: files

    func open(_ path: Path, _ flags: Int32 = O_RDWR, _ mode: mode_t = 0o644) throws(Errno) -> File {
        try File(files, path, flags, mode)
    }

    /// Makes a file and opens it for reading and writing.
    func create(_ path: Path, _ text: String = "", _ mode: mode_t = 0o644) throws -> File {
        let file = try open(path, O_RDWR | O_CREAT | O_EXCL, mode)
        if !text.isEmpty { try expectEqual(try file.write(text), text.utf8.count, "bytes written to \(path)") }
        return file
    }

    /// Makes a file with that in it.
    func make(_ path: Path, _ text: String = "", _ mode: mode_t = 0o644) throws { try create(path, text, mode).close() }

    func text(_ path: Path) throws -> String { try open(path, O_RDONLY).text(1 << 16) }

    // MARK: names

    func mkdir(_ path: Path, _ mode: mode_t = 0o755) throws(Errno) { try files.mkdir(path, mode) }

    func mknod(_ path: Path, _ mode: mode_t, _ node: (UInt32, UInt32) = (0, 0)) throws(Errno) {
        try files.mknod(path, mode, node.0, node.1)
    }

    func symlink(_ target: Path, _ path: Path) throws(Errno) { try files.symlink(target, path) }
    func readlink(_ path: Path) throws(Errno) -> Path { try files.readlink(path) }
    func link(_ path: Path, _ newPath: Path) throws(Errno) { try files.link(path, newPath) }
    func unlink(_ path: Path) throws(Errno) { try files.unlink(path) }
    func rmdir(_ path: Path) throws(Errno) { try files.rmdir(path) }

    func rename(_ path: Path, _ newPath: Path, _ flags: UInt32 = 0) throws(Errno) {
        try files.rename(path, newPath, flags)
    }

    /// The names in a folder, in order.
    func names(_ path: Path = ".") throws(Errno) -> [String] { try files.list(path).map(\.name.description).sorted() }

    /// Whether there is something of that name; of a symbolic link, whether it is there.
    func exists(_ path: Path) throws -> Bool {
        do throws(Errno) {
            _ = try lstat(path)
            return true
        } catch {
            guard error == .noSuchFileOrDirectory else { throw error }
            return false
        }
    }

    // MARK: attributes

    func stat(_ path: Path) throws(Errno) -> Status { try files.stat(path, follow: true) }
    func lstat(_ path: Path) throws(Errno) -> Status { try files.stat(path, follow: false) }
    func chmod(_ path: Path, _ mode: mode_t) throws(Errno) { try files.chmod(path, mode) }

    func chown(_ path: Path, _ user: uid_t?, _ group: gid_t?) throws(Errno) { try files.lchown(path, user, group) }

    func utimens(_ path: Path, _ accessed: FileTime, _ modified: FileTime, follow: Bool = true) throws(Errno) {
        try files.utimens(path, accessed, modified, follow: follow)
    }

    func truncate(_ path: Path, _ size: Int) throws(Errno) { try files.truncate(path, size) }
    func access(_ path: Path, _ mode: Int32) throws(Errno) { try files.access(path, mode) }
}
