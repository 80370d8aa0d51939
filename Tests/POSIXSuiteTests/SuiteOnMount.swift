import CKernel
import Glibc
import ProcessSupport
import ServeSupport
import Syscalls
import SystemPackage
import Testing
import VirtioTestSupport

/// A share of its own, mounted by the command, and the suite's program run on the mount, each in a process of its own.
final class SuiteOnMount {
    /// Who mounts, and who the suite is.
    enum Mounter {
        case root
        /// By way of fusermount3.
        case ordinaryUser

        /// Of root or nobody: fusermount3 wants somebody who is in the password file.
        fileprivate var id: uid_t { self == .root ? 0 : 65_534 }
    }

    private let folder: TemporaryFolder
    private let mounter: Mounter
    private let mount: Child
    private let share: String
    private var mountPoint: String { folder.path.appending("mnt").string }

    /// - Parameter options: of `virtiofs mount`.
    convenience init(by mounter: Mounter = .root, _ options: [String]) throws {
        let folder = TemporaryFolder()
        try folder.addFolder("share")
        let share = folder.path.appending("share").string
        chown(share, mounter.id, mounter.id)
        try self.init(by: mounter, in: folder, of: share, ["mount"] + options + [share])
    }

    /// By root, of a device that another process offers.
    convenience init(attachedTo device: OfferedDevice) throws {
        chmod(device.share, 0o755)
        try self.init(
            by: .root, in: TemporaryFolder(), of: device.share, ["attach", "--socket-path", device.socketPath])
    }

    private init(by mounter: Mounter, in folder: TemporaryFolder, of share: String, _ words: [String]) throws {
        (self.folder, self.mounter, self.share) = (folder, mounter, share)
        chmod(folder.path.string, 0o755)
        try folder.addFolder("mnt")
        let mountPoint = folder.path.appending("mnt").string
        chown(mountPoint, mounter.id, mounter.id)
        // The build's own folder may be closed to others.
        for program in ["virtiofs", "posixsuite"] {
            let built = FilePath(commandPath).removingLastComponent().appending(program).string
            try succeed("cp", "--reflink=auto", built, folder.path.appending(program).string)
        }
        mount = try Self.start(mounter, folder.path.appending("virtiofs").string, words + ["-f", mountPoint])
        let line = mount.firstLine()
        try #require(line.contains("is mounted on"), "no mount: \(line) \(mount.outcome().errors)")
    }

    private static func start(_ mounter: Mounter, _ program: String, _ arguments: [String]) throws -> Child {
        guard mounter != .root else { return try Child(program, arguments) }
        let identity = ["--reuid=\(mounter.id)", "--regid=\(mounter.id)", "--clear-groups", "--"]
        return try Child(find("setpriv"), identity + [program] + arguments)
    }

    /// Runs the suite, with the share as the other way to the same folder; its lines.
    func run(_ options: [String] = []) throws -> [String] {
        let program = folder.path.appending("posixsuite").string
        let suite = try Self.start(mounter, program, ["--also", share] + options + [mountPoint])
        let outcome = suite.outcome(seconds: 240)
        try #require(outcome.status < 2, "\(outcome.errors) \(outcome.output.suffix(200))")
        let lines = outcome.output.split(separator: "\n").map(String.init)
        print("POSIX suite on a mount by \(mounter) of \(share) \(options): \(lines.last ?? "nothing")")
        return lines
    }

    /// Unmounts as a user would; the mount has to end well.
    func end() throws {
        let outcome = try Self.start(mounter, find("fusermount3"), ["-u", mountPoint]).outcome()
        #expect(outcome.status == 0, "\(outcome.errors)")
        let ended = mount.outcome()
        #expect(ended.status == 0 && ended.errors == "", "\(ended.errors)")
    }

    deinit {
        guard mount.isRunning else { return }
        mount.signal(SIGKILL)
        _ = try? ProcessSupport.run("fusermount3", "-u", "-q", "-z", mountPoint)
        _ = mount.outcome()
    }
}
