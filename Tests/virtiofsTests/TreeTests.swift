import Foundation
import ProcessSupport
import Testing

/// Whole trees through the mount, with the plain host folder as oracle.
@Suite(.serialized)
struct TreeTests {
    /// Options that change the shape of the path.
    static let shapes: [[String]] = [
        [], ["--ring", "packed"], ["--kick", "worker"], ["--kick", "worker", "--poll-us", "0", "--ring", "packed"],
        ["--queue-size", "4", "--queues", "1", "--threads", "6"], ["--queues", "3", "--threads", "3"],
        ["--ring", "packed", "--queue-size", "8", "--cache", "never"], ["--cache", "always", "--threads", "8"],
        ["--without-rings"],
    ]

    @Test("A tree copied in and out by several programs at once is the same on both sides", arguments: shapes)
    func copies(_ options: [String]) throws {
        let source = try TemporaryFolder()
        try makeTree(source.path, files: 120)
        let mount = try MountedShare(options)
        let copies = try (0..<3).map { number in
            try Child("/bin/cp", ["-a", source.path, mount.mounted("copy\(number)")])
        }
        for copy in copies { #expect(copy.outcome().status == 0) }
        for number in 0..<3 {
            try succeed("diff", "-r", source.path, mount.shared("copy\(number)"))
            try succeed("diff", "-r", mount.mounted("copy\(number)"), source.path)
        }
        try succeed("rm", "-r", mount.mounted("copy1"))
        #expect(!FileManager.default.fileExists(atPath: mount.shared("copy1")))
        try mount.end()
    }

    @Test("A repository is cloned onto the mount, and git finds nothing wrong with it")
    func gitClone() throws {
        let source = try TemporaryFolder()
        let origin = try source.folder("origin")
        try makeTree(origin, files: 200)
        try succeed("git", "-C", origin, "init", "-q")
        try succeed("git", "-C", origin, "add", ".")
        try succeed(
            "git", "-C", origin, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "all of it")
        let mount = try MountedShare()
        try succeed("git", "clone", "-q", "--no-local", origin, mount.mounted("clone"))
        try succeed("git", "-C", mount.mounted("clone"), "fsck", "--strict")
        #expect(try succeed("git", "-C", mount.mounted("clone"), "status", "--porcelain") == "")
        try mount.end()
    }

    @Test("A large file written and read with direct I/O in odd pieces has the same bytes on the host")
    func directIO() throws {
        let source = try TemporaryFolder()
        let file = source.path + "/large"
        try succeed("dd", "if=/dev/urandom", "of=\(file)", "bs=1M", "count=24", "status=none")
        let mount = try MountedShare()
        try succeed(
            "dd", "if=\(file)", "of=\(mount.mounted("large"))", "bs=3M", "oflag=direct", "conv=fsync", "status=none")
        try succeed("cmp", file, mount.shared("large"))
        try succeed(
            "dd", "if=\(mount.mounted("large"))", "of=\(source.path)/back", "bs=5M", "iflag=direct", "status=none")
        try succeed("cmp", file, source.path + "/back")
        try mount.end()
    }

    /// Files of many sizes, in nested folders, with links, an empty folder and names that are not UTF-8.
    private func makeTree(_ root: String, files: Int) throws {
        var generator = SystemRandomNumberGenerator()
        for index in 0..<files {
            let folder = root + "/d\(index % 7)/e\(index % 3)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let count = [0, 1, 100, 4095, 4096, 4097, 70_000, 300_000][index % 8]
            let bytes = (0..<count / 8 + 1).flatMap { _ in
                withUnsafeBytes(of: generator.next() as UInt64) { Array($0) }
            }
            try Data(bytes.prefix(count)).write(to: URL(fileURLWithPath: "\(folder)/f\(index)"))
        }
        try FileManager.default.createSymbolicLink(atPath: root + "/link", withDestinationPath: "d1/e1")
        try FileManager.default.createDirectory(atPath: root + "/empty", withIntermediateDirectories: true)
        let odd = Array(root.utf8CString.dropLast()) + [0x2f, CChar(bitPattern: 0xff), 0x0a, 0x78, 0]
        let descriptor = open(odd, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        #expect(descriptor >= 0)
        close(descriptor)
    }
}
