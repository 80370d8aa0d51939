import Foundation
import ProcessSupport
import ServeSupport
import SystemPackage
import Testing
import VirtioTestSupport

/// `virtiofs attach` and `virtiofs shell --socket-path`: devices of other processes.
struct AttachCommandTests {
    private let folder: TemporaryFolder
    private let mountPoint: String

    init() throws {
        folder = try TemporaryFolder()
        mountPoint = try folder.folder("mnt")
    }

    /// Attaches in the foreground; returns when the mount is up.
    private func attach(to socketPath: String, _ options: String...) throws -> Child {
        let child = try Child(
            commandPath, ["attach", "-f", "--socket-path", socketPath] + options + [mountPoint])
        let line = child.firstLine()
        try #require(line.contains("is mounted on"), "\(child.outcome())")
        return child
    }

    /// Whatever a test has left.
    private func cleanUp() { _ = try? run("fusermount3", "-u", "-q", "-z", mountPoint) }

    @Test(
        "A tree goes out and comes back, and a repository is cloned, on our device and on QEMU's",
        arguments: OfferedDevice.Maker.present)
    func work(maker: OfferedDevice.Maker) throws {
        let offer = try OfferedDevice(by: maker)
        defer { offer.end() }
        defer { cleanUp() }
        let source = try folder.folder("source")
        for index in 0..<60 {
            try FileManager.default.createDirectory(
                atPath: source + "/d\(index % 5)", withIntermediateDirectories: true)
            let bytes = Data(repeating: UInt8(index), count: [0, 1, 4096, 70_000, 1_200_000][index % 5])
            try bytes.write(to: URL(fileURLWithPath: source + "/d\(index % 5)/f\(index)"))
        }
        try succeed("git", "-C", source, "init", "-q")
        try succeed("git", "-C", source, "add", ".")
        try succeed("git", "-C", source, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "all")
        let child = try attach(to: offer.socketPath)
        try succeed("sh", "-c", "tar -C \(source) -cf - . | tar -C \(mountPoint) --one-top-level=out -xf -")
        try succeed("diff", "-r", source, offer.share + "/out")
        try succeed(
            "sh", "-c",
            "mkdir \(folder.path)/back && tar -C \(mountPoint)/out -cf - . | tar -C \(folder.path)/back -xf -")
        try succeed("diff", "-r", source, folder.path + "/back")
        try succeed("git", "clone", "-q", "--no-local", source, mountPoint + "/clone")
        try succeed("git", "-C", mountPoint + "/clone", "fsck", "--strict")
        try succeed("fusermount3", "-u", mountPoint)
        let outcome = child.outcome()
        #expect(outcome.status == 0 && outcome.errors == "", "\(outcome)")
    }

    @Test(
        "A device that goes away while it is mounted: EIO, no hanging, and a clean end",
        arguments: OfferedDevice.Maker.present)
    func deviceGoes(maker: OfferedDevice.Maker) throws {
        let offer = try OfferedDevice(by: maker)
        defer { cleanUp() }
        let child = try attach(to: offer.socketPath)
        let file = open(mountPoint + "/f", O_CREAT | O_RDWR | O_CLOEXEC, 0o644)
        #expect(file >= 0 && Glibc.write(file, "data", 4) == 4 && fsync(file) == 0)
        offer.end()
        errno = 0
        #expect(fsync(file) == -1 || Glibc.write(file, "more", 4) == -1)
        #expect(errno == EIO)
        close(file)
        #expect(open(mountPoint + "/g", O_CREAT | O_RDWR | O_CLOEXEC, 0o644) == -1 && errno == EIO)
        #expect(mkdir(mountPoint + "/d", 0o755) == -1 && errno == EIO)
        try succeed("fusermount3", "-u", mountPoint)
        #expect(child.outcome(seconds: 30).status == 0)
    }

    @Test("In the background it says that it is up, and SIGTERM ends it with a file open")
    func background() throws {
        let offer = try OfferedDevice(by: .serve)
        defer { offer.end() }
        defer { cleanUp() }
        let outcome = try virtiofs("attach", "--socket-path", offer.socketPath, "-o", "ro", mountPoint)
        #expect(outcome.status == 0 && outcome.errors == "", "\(outcome)")
        #expect(
            outcome.output == "myfs: \(offer.socketPath) is mounted on \(mountPoint); "
                + "to unmount: fusermount3 -u \(mountPoint)\n")
        #expect(mkdir(mountPoint + "/d", 0o755) == -1 && errno == EROFS)
        try succeed("fusermount3", "-u", mountPoint)
    }

    @Test("A mount point in the share is crossed; it has the share's device number, and inode numbers of its own")
    func submount() throws {
        let seen = try succeedInNamespace(
            """
            mkdir share/other
            mount -t tmpfs -o size=1m tmpfs share/other
            echo there > share/other/file
            touch share/file
            virtiofs serve share --socket-path socket --announce-submounts > said &
            until grep -qs 'is offered' said; do sleep 0.05; done
            virtiofs attach --socket-path socket m > /dev/null
            stat -c %d m m/other m/other/file | uniq | wc -l
            stat -c %i m m/other m/file m/other/file | sort -u | wc -l
            find m -xdev -name file | wc -l
            stat -f -c %b m/other
            ! ln m/file m/other/link 2> /dev/null
            ! rmdir m/other 2> /dev/null
            mv m/file m/other/moved
            cat m/other/file
            ls share/other
            fusermount3 -u m
            """)
        #expect(seen.split(separator: "\n") == ["1", "4", "2", "256", "there", "file", "moved"], "\(seen)")
    }

    @Test("What can't be attached is said in one line, and nothing is mounted")
    func mistakes() throws {
        try Data().write(to: URL(fileURLWithPath: folder.path + "/file"))
        let serve = try ServeProcess()
        for (arguments, status, words) in [
            (["--socket-path", folder.path + "/no"], 1, "/no: No such file or directory"),
            (["--socket-path", folder.path + "/file"], 1, "Connection refused"),
            (["--socket-path", serve.socketPath, "--tag", "other"], 1, "the device's tag is 'myfs', not 'other'"),
            (["--socket-path", serve.socketPath, "-o", "cache=never"], 1, "'cache'"),
            (["--socket-path", serve.socketPath, "-o", "nonsense"], 1, "nonsense"),
            (["--socket-path", serve.socketPath, "--queue-size", "5"], 64, "power of two"), ([], 64, "socket-path"),
        ] as [([String], Int32, String)] {
            for foreground in [["-f"], []] {
                let outcome = try Child(commandPath, ["attach"] + foreground + arguments + [mountPoint]).outcome()
                #expect(outcome.status == status && outcome.output == "", "\(arguments): \(outcome)")
                #expect(
                    outcome.errors.contains(words) && outcome.errors.split(separator: "\n").count == 1, "\(outcome)")
                #expect(!isMountPoint(mountPoint))
            }
        }
    }

    @Test("A shell on another process's device", arguments: OfferedDevice.Maker.present)
    func shell(maker: OfferedDevice.Maker) throws {
        let offer = try OfferedDevice(by: maker)
        defer { offer.end() }
        try Data("there\n".utf8).write(to: URL(fileURLWithPath: offer.share + "/f"))
        let outcome = try virtiofs(
            "shell", "--socket-path", offer.socketPath, "-c",
            "cat f; mkdir d; put \(offer.share)/f d; ls d; rm -r d f; ls")
        #expect(outcome.status == 0 && outcome.errors == "" && outcome.output == "there\nf\n", "\(outcome)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: offer.share) == [])
    }

    @Test("A device that serves somebody else does not keep anybody waiting")
    func busy() throws {
        let offer = try OfferedDevice(by: .serve)
        defer { offer.end() }
        let first = try Child(
            commandPath, ["shell", "--socket-path", offer.socketPath], input: Array("pwd\n".utf8), keepsInputOpen: true)
        #expect(first.firstLine() == "/")
        let outcome = try virtiofs("shell", "--socket-path", offer.socketPath, "-c", "ls")
        #expect(outcome.status == 1 && outcome.errors.contains("serves somebody else"), "\(outcome)")
        first.signal(SIGKILL)
        _ = first.outcome()
    }

    @Test("A device that has become silent keeps neither the mount from ending nor a shell that comes to it")
    func silent() throws {
        let serves = try [ServeProcess(), ServeProcess()]
        defer { cleanUp() }
        let child = try attach(to: serves[0].socketPath)
        for serve in serves { #expect(serve.freeze()) }
        let shell = try Child(commandPath, ["shell", "--socket-path", serves[1].socketPath, "-c", "ls"])
        child.signal(SIGTERM)
        #expect(child.outcome(seconds: 40).status == 0)
        #expect(!isMountPoint(mountPoint))
        let outcome = shell.outcome()
        #expect(outcome.status == 1 && outcome.errors.contains("no answer"), "\(outcome)")
    }
}
