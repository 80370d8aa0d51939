import CKernel
import Glibc

/// Share and mount point, checked, as absolute paths.
struct MountPlace {
    let share: String
    let mountPoint: String

    init(share: String, mountPoint: String) throws {
        self.share = try Self.folder(share, called: "share")
        self.mountPoint = try Self.folder(mountPoint, called: "mount point")
        guard !Self.overlap(self.share, self.mountPoint) else {
            throw Failure(
                "share \(self.share) and mount point \(self.mountPoint) overlap: use a mount point outside the share")
        }
        guard try !Self.isMounted(self.mountPoint) else {
            throw Failure("\(self.mountPoint) is a mount point already: unmount it first, or use another folder")
        }
        guard Glibc.access("/dev/fuse", F_OK) == 0 else {
            throw Failure("there is no /dev/fuse: load the kernel's fuse module ('modprobe fuse')")
        }
    }

    private static func folder(_ path: String, called name: String) throws -> String {
        guard let resolved = realpath(path, nil) else {
            if errno == ENOTCONN {
                throw Failure("\(path) is a dead mount: unmount it first ('fusermount3 -u \(path)')")
            }
            throw Failure("\(name) \(path): \(String(cString: strerror(errno)))")
        }
        defer { free(resolved) }
        let absolute = String(cString: resolved)
        var status = Glibc.stat()
        guard stat(absolute, &status) == 0 else {
            throw Failure("\(name) \(path): \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw Failure("\(name) \(path) is not a folder") }
        return absolute
    }

    /// Whether one of the two contains the other: requests for the mount would come back to it.
    static func overlap(_ first: String, _ second: String) -> Bool {
        let first = first == "/" ? [] : first.split(separator: "/")
        let second = second == "/" ? [] : second.split(separator: "/")
        return first.starts(with: second) || second.starts(with: first)
    }

    /// Whether something is mounted on `path`, by proc(5)'s mountinfo, whose fifth field is the mount point.
    private static func isMounted(_ path: String) throws -> Bool {
        guard let file = fopen("/proc/self/mountinfo", "re") else { return false }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, file) > 0 {
            let fields = String(cString: line!).split(separator: " ")
            if fields.count > 4 && unescape(fields[4]) == path { return true }
        }
        return false
    }

    /// Spaces and the like are written as a backslash and three octal digits.
    private static func unescape(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
