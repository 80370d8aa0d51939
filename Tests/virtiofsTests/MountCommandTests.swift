import Foundation
import ProcessSupport
import Testing

/// The command's life: mounting, saying so, and every way of ending.
@Suite(.serialized)
struct MountCommandTests {
    @Test("What is in the share is on the mount, and the other way round")
    func bothSides() throws {
        let mount = try MountedShare()
        try Data("host".utf8).write(to: URL(fileURLWithPath: mount.shared("a")))
        #expect(try String(contentsOfFile: mount.mounted("a"), encoding: .utf8) == "host")
        try Data("guest".utf8).write(to: URL(fileURLWithPath: mount.mounted("b")))
        #expect(try String(contentsOfFile: mount.shared("b"), encoding: .utf8) == "guest")
        try mount.end()
    }

    @Test("The mount's type is fuse.virtiofs and its source the tag")
    func mountTable() throws {
        let mount = try MountedShare("--tag", "käse")
        let shown = try succeed("findmnt", "-n", "-o", "SOURCE,FSTYPE", mount.mountPoint)
        #expect(shown.split(separator: " ").map { $0.trimmingCharacters(in: .newlines) } == ["käse", "fuse.virtiofs"])
        try mount.end()
    }

    @Test("Programs that execute others hold nobody up, whatever files of the mount that closes")
    func executing() throws {
        let mount = try MountedShare()
        try Data("content".utf8).write(to: URL(fileURLWithPath: mount.shared("file")))
        let program = """
            import os, time
            for _ in range(100):
                child = os.fork()
                if child == 0:
                    os.read(os.open('\(mount.mounted("file"))', os.O_RDONLY | os.O_CLOEXEC), 2)
                    # Long enough for a reader to look where the next request comes from.
                    time.sleep(0.002)
                    os.execv('/bin/true', ['true'])
                os.waitpid(child, 0)
            """
        let outcome = try Child(find("python3"), ["-c", program]).outcome(seconds: 30)
        #expect(outcome.status == 0, "\(outcome)")
        try mount.end()
    }

    @Test("The command ends cleanly on SIGINT and SIGTERM", arguments: [SIGINT, SIGTERM])
    func signals(_ signal: Int32) throws {
        let mount = try MountedShare()
        mount.child.signal(signal)
        #expect(mount.waitForEnd().status == 0)
        #expect(!isMountPoint(mount.mountPoint))
    }

    @Test("The command ends cleanly on SIGTERM while a file is open on the mount, and its data is on the host")
    func signalWhileBusy() throws {
        let mount = try MountedShare()
        let file = open(mount.mounted("busy"), O_CREAT | O_RDWR | O_CLOEXEC, 0o644)
        #expect(file >= 0)
        #expect(write(file, "data", 4) == 4)
        mount.child.signal(SIGTERM)
        #expect(mount.waitForEnd().status == 0)
        #expect(!isMountPoint(mount.mountPoint))
        #expect(write(file, "more", 4) == -1)
        close(file)
        #expect(try String(contentsOfFile: mount.shared("busy"), encoding: .utf8) == "data")
    }

    @Test("umount(8) ends the command")
    func umount() throws {
        let mount = try MountedShare()
        try succeed("umount", mount.mountPoint)
        #expect(mount.waitForEnd().status == 0)
    }

    @Test("With auto_unmount, nothing stays mounted after kill -9")
    func autoUnmount() throws {
        let mount = try MountedShare("-o", "auto_unmount")
        mount.child.signal(SIGKILL)
        _ = mount.waitForEnd()
        // fusermount3 unmounts when it sees the command gone; a bounded wait for another process.
        let deadline = Date().addingTimeInterval(30)
        while isMountPoint(mount.mountPoint) && Date() < deadline { sched_yield() }
        #expect(!isMountPoint(mount.mountPoint))
    }

    @Test("Without -f the command returns when the mount is up, says so in one line, and goes on in the background")
    func background() throws {
        let folder = try TemporaryFolder()
        let (share, mountPoint) = (try folder.folder("share"), try folder.folder("mnt"))
        let outcome = try virtiofs("mount", share, mountPoint)
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        #expect(
            outcome.output
                == "myfs: \(share) is mounted on \(mountPoint); to unmount: fusermount3 -u \(mountPoint)\n")
        try Data("x".utf8).write(to: URL(fileURLWithPath: mountPoint + "/x"))
        #expect(FileManager.default.fileExists(atPath: share + "/x"))
        try succeed("fusermount3", "-u", mountPoint)
    }

    @Test("Two mounts of one share in two processes see each other's files")
    func twoMounts() throws {
        let first = try MountedShare("--cache", "never")
        let folder = try TemporaryFolder()
        let second = try folder.folder("mnt")
        _ = try virtiofs("mount", "--cache", "never", first.share, second)
        try Data("1".utf8).write(to: URL(fileURLWithPath: first.mounted("f")))
        #expect(try String(contentsOfFile: second + "/f", encoding: .utf8) == "1")
        try succeed("fusermount3", "-u", second)
        try first.end()
    }
}
