import CKernel
import Glibc

/// Share and mount point, checked, as absolute paths.
struct MountPlace {
    let share: String
    let mountPoint: String

    init(share: String, mountPoint: String) throws {
        self.share = try Self.folder(share, called: "share")
        guard faccessat(AT_FDCWD, self.share, R_OK | X_OK, AT_EACCESS) == 0 else {
            throw Self.unusable(share, "share")
        }
        self.mountPoint = try Self.mountPoint(mountPoint)
        guard !Self.overlap(self.share, self.mountPoint) else {
            throw Failure(
                "share \(self.share) and mount point \(self.mountPoint) overlap: use a mount point outside the share")
        }
        try Self.requireFree(self.mountPoint)
    }

    /// A mount point as an absolute path; nothing may be mounted there.
    static func freeMountPoint(_ path: String) throws -> String {
        let absolute = try mountPoint(path)
        try requireFree(absolute)
        return absolute
    }

    private static func mountPoint(_ path: String) throws -> String { try folder(path, called: "mount point") }

    private static func requireFree(_ mountPoint: String) throws {
        guard MountInfo.mounted(on: mountPoint) == nil else {
            // The kernel may still know what a dead one was like, but not how full it is.
            var status = Glibc.statvfs()
            if statvfs(mountPoint, &status) != 0, errno == ENOTCONN { throw unusable(mountPoint, "mount point") }
            throw Failure("\(mountPoint) is a mount point already: unmount it first, or use another folder")
        }
        guard Glibc.access("/dev/fuse", F_OK) == 0 else {
            throw Failure("there is no /dev/fuse: load the kernel's fuse module ('modprobe fuse')")
        }
    }

    private static func folder(_ path: String, called name: String) throws -> String {
        let absolute = try absolute(path, called: name)
        var status = Glibc.stat()
        guard stat(absolute, &status) == 0 else { throw unusable(path, name) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw Failure("\(name) \(path) is not a folder") }
        return absolute
    }

    /// What errno means to the user.
    private static func unusable(_ path: String, _ name: String) -> Failure {
        guard errno == ENOTCONN else { return Failure("\(name) \(path): \(String(cString: strerror(errno)))") }
        return Failure("\(name) \(path) is a dead mount: unmount it first ('fusermount3 -u \(path)')")
    }

    /// A path from the root, without links.
    static func absolute(_ path: String, called name: String) throws -> String {
        guard let resolved = realpath(path, nil) else { throw unusable(path, name) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Whether one of the two contains the other: requests for the mount would come back to it.
    static func overlap(_ first: String, _ second: String) -> Bool {
        let first = first == "/" ? [] : first.split(separator: "/")
        let second = second == "/" ? [] : second.split(separator: "/")
        return first.starts(with: second) || second.starts(with: first)
    }
}
