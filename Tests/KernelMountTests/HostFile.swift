import CKernel
import Glibc
import SystemPackage

/// A share's files as the host has them, and a mount's as a program has them.
enum HostFile {
    /// Puts `text` into a file, in place if it is there, and gives it a time of modification that it did not have.
    static func write(_ text: String, to path: String, modified seconds: Int) {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        precondition(file >= 0, "\(path): \(errno)")
        defer { close(file) }
        precondition(pwrite(file, text, text.utf8.count, 0) == text.utf8.count)
        precondition(ftruncate(file, text.utf8.count) == 0)
        setModified(path, seconds)
    }

    static func setModified(_ path: String, _ seconds: Int) {
        let times = [timespec(tv_sec: seconds, tv_nsec: 0), timespec(tv_sec: seconds, tv_nsec: 0)]
        precondition(utimensat(AT_FDCWD, path, times, 0) == 0)
    }

    /// At most 64 KiB; nothing where the file can't be opened.
    static func content(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        return content(file)
    }

    static func content(_ file: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = pread(file, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    static func status(_ path: String) -> Glibc.stat? {
        var status = Glibc.stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    static func exists(_ path: String) -> Bool { status(path) != nil }

    static func names(_ path: String) -> Set<String> {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: Set<String> = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.insert(name) }
        }
        return names
    }
}
