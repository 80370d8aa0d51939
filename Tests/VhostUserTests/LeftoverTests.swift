import CKernel
import FUSEWire
import Glibc
import ProcessSupport
import ServeSupport
import Syscalls
import SystemPackage
import Testing
import VirtioTestSupport

extension VhostUserTests {
    /// What tests leave behind.
    @Suite struct LeftoverTests {
        @Test(
            "A test that is killed leaves no device behind, however that is confined",
            arguments: ["namespace", "chroot", "none"])
        func killed(sandbox: String) async throws {
            let folder = TemporaryFolder()
            let parent = folder.path.string
            await #expect(processExitsWith: .signal(SIGKILL)) { [sandbox, parent = parent as String] in
                let file = OwnedDescriptor(
                    owning: try FileDescriptor.open(
                        FilePath(parent + "/processes"), .writeOnly, options: .create, permissions: .ownerReadWrite))
                // What this process makes is removed with that folder.
                setenv("VIRTIOFS_TEST_FOLDER", parent, 1)
                let seccomp = sandbox == "none" ? "none" : "kill"
                let serve = try ServeProcess("--sandbox", sandbox, "--seccomp", seccomp)
                try file.descriptor.writeAll(Array("\(serve.pid) \(serve.worker)".utf8))
                kill(getpid(), SIGKILL)
            }
            let processes = try String(decoding: folder.content("processes"), as: UTF8.self).split(separator: " ")
            #expect(processes.count == 2 && (processes[0] == processes[1]) == (sandbox == "none"))
            for process in processes { #expect(ends(try #require(pid_t(process))), "\(process)") }
        }

        @Test("It leaves no other program behind, neither one whose output it collects nor one on a terminal")
        func killedPrograms() async throws {
            let folder = TemporaryFolder()
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = folder.path.string as String] in
                let file = OwnedDescriptor(
                    owning: try FileDescriptor.open(
                        FilePath(path + "/processes"), .writeOnly, options: .create, permissions: .ownerReadWrite))
                let child = try Child("/bin/sh", ["-c", "echo up; exec sleep infinity"])
                let other = try TerminalChild("/bin/sh", ["-c", "trap '' HUP; echo up; exec sleep infinity"])
                #expect(child.firstLine() == "up" && other.wait(for: "up"))
                try file.descriptor.writeAll(Array("\(child.pid) \(other.pid)".utf8))
                withExtendedLifetime(other) { _ = kill(getpid(), SIGKILL) }
            }
            let processes = try String(decoding: folder.content("processes"), as: UTF8.self).split(separator: " ")
            #expect(processes.count == 2)
            for process in processes { #expect(ends(try #require(pid_t(process))), "\(process)") }
        }

        /// Whether a process is gone, or goes; one that doesn't is killed.
        private func ends(_ process: pid_t) -> Bool {
            let handle = pidfd_open(process, 0)
            guard handle >= 0 else { return errno == ESRCH }
            let end = OwnedDescriptor(owning: FileDescriptor(rawValue: handle))
            let hasEnded = Readiness.wait(readable: [end.descriptor], milliseconds: 10_000)[0]
            if !hasEnded { kill(process, SIGKILL) }
            return hasEnded
        }
    }
}
