import CKernel
import Glibc
import ProcessSupport
import ServeSupport
import Syscalls
import SystemPackage
import Testing
import VirtioTestSupport

/// The command as it is confined, with a driver at its socket.
@Suite struct ConfinedServeTests {
    private func shell(_ serve: ServeProcess, _ command: String) throws -> Outcome {
        try virtiofs("shell", "--socket-path", serve.socketPath, "-c", command)
    }

    @Test(
        "Each sandbox serves, with and without a filter, and removes its socket's file at the end",
        arguments: ["namespace", "chroot", "none"], ["kill", "trap", "log", "none"])
    func serves(mode: String, filter: String) throws {
        let serve = try ServeProcess("--sandbox", mode, "--seccomp", filter)
        try serve.folder.add("file", Array("content".utf8))
        let outcome = try shell(serve, "mkdir folder; cat file; ls")
        #expect(outcome.status == 0 && outcome.output.contains("content"), "\(outcome)")
        #expect(outcome.output.contains("folder"))
        #expect(serve.terminate() == 0)
        #expect(access(serve.socketPath, F_OK) != 0)
    }

    @Test("Where root lacks CAP_SYS_ADMIN, as in a container, --sandbox chroot serves, and namespace says what to use")
    func inContainer() throws {
        let place = TemporaryFolder()
        try place.addFolder("share")
        let (share, socket) = (place.path.appending("share").string, place.path.appending("socket").string)
        let words = ["--inh-caps", "-sys_admin", "--bounding-set", "-sys_admin", commandPath, "serve", share]
        let serve = try Child(find("setpriv"), words + ["--sandbox", "chroot", "--socket-path", socket])
        #expect(serve.firstLine() == "myfs: \(share) is offered at \(socket)")
        let work = "mkdir folder; put /etc/hostname file; cat file"
        let outcome = try virtiofs("shell", "--socket-path", socket, "-c", work)
        let name = try succeed("cat", "/etc/hostname")
        #expect(outcome.status == 0 && outcome.output == name, "\(outcome)")
        #expect(try succeed("stat", "-c", "%F", share + "/folder", share + "/file") == "directory\nregular file\n")
        let worker = try succeed("cat", "/proc/\(serve.pid)/task/\(serve.pid)/children").split(separator: " ")[0]
        // The folder itself, not a copy of its mount.
        #expect(try succeed("readlink", "/proc/\(worker)/root") == share + "\n")
        serve.signal(SIGTERM)
        #expect(serve.outcome().status == 0)
        let refusal = try Child(find("setpriv"), words + ["--socket-path", socket]).outcome()
        #expect(refusal.status == 1 && refusal.errors.hasSuffix("in a container, use --sandbox chroot\n"), "\(refusal)")
    }

    @Test("The process inside ends with the one outside, however that ends")
    func keeperIsKilled() throws {
        let serve = try ServeProcess()
        let inside = OwnedDescriptor(owning: FileDescriptor(rawValue: pidfd_open(serve.worker, 0)))
        #expect(!Readiness.wait(readable: [inside.descriptor], milliseconds: 0)[0])
        serve.kill()
        #expect(Readiness.wait(readable: [inside.descriptor], milliseconds: 10_000)[0])
    }

    @Test("The end of the process inside is told, and is the end of the one outside")
    func workerIsKilled() throws {
        let serve = try ServeProcess()
        kill(serve.worker, SIGKILL)
        #expect(ServeProcess.wait(seconds: 10) { !serve.isRunning })
        #expect(serve.log == "virtiofs: signal 9 (Killed) ended the device\n")
        #expect(access(serve.socketPath, F_OK) != 0)
    }

    @Test("A call that the filter refuses is told with its number")
    func trap() throws {
        let place = try Place(user: "root")
        let outcome = try place.outcome(of: "network", in: "namespace/trap/root")
        #expect(outcome.status == 1)
        // socket(2) on this architecture.
        let number = Int(SYS_socket)
        let text = "virtiofs: a system call that the filter refuses ended the device: number \(number)\n"
        #expect(outcome.errors == text)
    }

    @Test("With --readonly, the share is mounted read-only inside, too")
    func readOnly() throws {
        let serve = try ServeProcess("--readonly")
        try serve.folder.add("file", Array("content".utf8))
        #expect(try shell(serve, "cat file").output == "content")
        let mounts = try succeed("cat", "/proc/\(serve.worker)/mountinfo").split(separator: "\n")
        #expect(mounts.count == 1)
        let options = mounts[0].split(separator: " ")[5].split(separator: ",")
        #expect(options.starts(with: ["ro", "nosuid", "nodev", "noexec"]) && options.contains("nosymfollow"))
    }

    @Test("What an ordinary user serves belongs to that user, whoever the guest says it is")
    func ordinaryUser() throws {
        let place = TemporaryFolder()
        let (share, program) = (place.path.appending("share").string, place.path.appending("virtiofs").string)
        let socket = place.path.appending("share/socket").string
        try place.addFolder("share")
        try succeed("cp", commandPath, program)
        try succeed("chown", "65534:65534", share)
        try succeed("chmod", "755", place.path.string, program)
        let user = ["--reuid", "65534", "--regid", "65534", "--clear-groups"]
        let serve = try Child(find("setpriv"), user + [program, "serve", share, "--socket-path", socket])
        defer {
            serve.signal(SIGTERM)
            #expect(serve.outcome().status == 0)
        }
        #expect(serve.firstLine() == "myfs: \(share) is offered at \(socket)")
        let outcome = try virtiofs("shell", "--socket-path", socket, "-c", "mkdir folder; ls -l")
        #expect(outcome.status == 0, "\(outcome)")
        #expect(try succeed("stat", "-c", "%u %g", share + "/folder") == "65534 65534\n")
    }

    static let wrongUsage: [[String]] = [
        ["--sandbox", "jail"], ["--seccomp", "allow"], ["--modcaps=+fly"], ["--modcaps=mknod"], ["--uid-map", "0:1:2"],
        ["--translate-uid", "map:1"], ["--translate-gid", "turn:1:2:3"], ["--xattrmap", ":ok:"],
    ]

    @Test("What can't be is one line, and a status", arguments: wrongUsage + [["--uid-map", ":0:0:1:"]])
    func mistakes(options: [String]) throws {
        // For root, this one is not a matter of how it is written.
        let status: Int32 = options == ["--uid-map", ":0:0:1:"] ? 1 : 64
        let place = TemporaryFolder()
        let socket = place.path.appending("socket").string
        let outcome = try Child(
            commandPath, ["serve", place.path.string, "--socket-path", socket] + options
        ).outcome()
        #expect(outcome.status == status, "\(outcome)")
        #expect(outcome.errors.hasPrefix("virtiofs: ") && outcome.errors.filter { $0 == "\n" }.count == 1)
        #expect(access(socket, F_OK) != 0)
    }

    @Test("Capabilities are those that were asked for, and can't be had back")
    func capabilities() throws {
        let serve = try ServeProcess("--modcaps=+sys_admin:-mknod")
        let status = try succeed("cat", "/proc/\(serve.worker)/status").split(separator: "\n")
        // chown, dac_override, fowner, fsetid, setgid, setuid, sys_admin, setfcap: capability.h's bits.
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            #expect(status.contains { $0 == "\(set):\t00000000802000db" }, "\(set)")
        }
        #expect(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"))
    }
}
