import Foundation
import ProcessSupport
import Testing

/// A user's mistakes: one line that says what is wrong, the right exit status, and nothing left mounted.
@Suite struct MistakesTests {
    private let folder: TemporaryFolder
    private let share: String
    private let mountPoint: String

    init() throws {
        folder = try TemporaryFolder()
        share = try folder.folder("share")
        mountPoint = try folder.folder("mnt")
    }

    private func expect(
        _ outcome: Outcome, status: Int32, saying words: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.status == status, sourceLocation: sourceLocation)
        #expect(outcome.output == "", sourceLocation: sourceLocation)
        #expect(outcome.errors.hasPrefix("virtiofs: "), sourceLocation: sourceLocation)
        #expect(outcome.errors.contains(words), "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(!isMountPoint(mountPoint), sourceLocation: sourceLocation)
    }

    @Test("A share or a mount point that is not there, or not a folder")
    func missingPlaces() throws {
        let file = folder.path + "/file"
        try Data().write(to: URL(fileURLWithPath: file))
        expect(try virtiofs("mount", folder.path + "/no", mountPoint), status: 1, saying: "No such file or directory")
        expect(try virtiofs("mount", share, folder.path + "/no"), status: 1, saying: "No such file or directory")
        expect(try virtiofs("mount", file, mountPoint), status: 1, saying: "is not a folder")
        expect(try virtiofs("mount", share, file), status: 1, saying: "is not a folder")
    }

    @Test("A mount point in its own share, or around it, whichever way it is written")
    func overlap() throws {
        let inside = try folder.folder("share/inside")
        expect(try virtiofs("mount", share, inside), status: 1, saying: "overlap")
        expect(try virtiofs("mount", inside, share), status: 1, saying: "overlap")
        expect(try virtiofs("mount", share, share + "/../share"), status: 1, saying: "overlap")
        let link = folder.path + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: inside)
        expect(try virtiofs("mount", share, link), status: 1, saying: "overlap")
        expect(try virtiofs("mount", "/", mountPoint), status: 1, saying: "overlap")
    }

    @Test("A mount point on which something is mounted already")
    func busyMountPoint() throws {
        let mount = try MountedShare()
        let outcome = try virtiofs("mount", share, mount.mountPoint)
        expect(outcome, status: 1, saying: "is a mount point already")
        try mount.end()
    }

    @Test("Wrong tags, numbers and words are wrong usage: status 64")
    func usage() throws {
        let long = String(repeating: "t", count: 37)
        for (arguments, words) in [
            (["--tag", ""], "tag"), (["--tag", long], "tag"), (["--queue-size", "100"], "power of two"),
            (["--queue-size", "2"], "power of two"), (["--queues", "0"], "--queues"), (["--queues", "x"], "queues"),
            (["--threads", "1"], "--threads"), (["--poll-us", "-1"], "poll-us"), (["--cache", "some"], "cache"),
            (["--no-such-option"], "no-such-option"),
        ] {
            let outcome = try Child(commandPath, ["mount"] + arguments + [share, mountPoint]).outcome()
            expect(outcome, status: 64, saying: words)
        }
        expect(try virtiofs("mount", share), status: 64, saying: "mountpoint")
        expect(try virtiofs("mont"), status: 64, saying: "mont")
    }

    @Test("A mount option that nobody knows")
    func mountOption() throws {
        expect(try virtiofs("mount", "-o", "nonsense", share, mountPoint), status: 1, saying: "nonsense")
    }

    @Test("A tag of 36 bytes of UTF-8 is a good one")
    func fullTag() throws {
        let mount = try MountedShare("--tag", String(repeating: "ä", count: 18))
        try mount.end()
    }

    @Test("Where there is no /dev/fuse, the user is told")
    func noDevice() throws {
        let outcome = try run(
            "unshare", "-m", "sh", "-c",
            "mount -t tmpfs none /dev && exec \(commandPath) mount \(share) \(mountPoint) 2>&1 >/dev/null")
        #expect(outcome.status == 1)
        #expect(outcome.output.contains("there is no /dev/fuse"))
        #expect(outcome.output.split(separator: "\n").count == 1)
    }

    @Test("--help and --version print to standard output and succeed")
    func help() throws {
        for arguments in [["--help"], ["mount", "--help"], ["--version"]] {
            let outcome = try Child(commandPath, arguments).outcome()
            #expect(outcome.status == 0)
            #expect(outcome.output != "")
            #expect(outcome.errors == "")
        }
    }
}
