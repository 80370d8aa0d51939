import ProcessSupport
import ServeSupport
import SystemPackage
import Testing
import VirtioTestSupport

extension GuestTests {
    /// The share as the root file system of a Debian.
    @Suite(.enabled(if: runsInFull)) struct RootTests {
        /// What the shell says first.
        private static let start = """
            echo; echo "shell of $(cat /proc/1/comm) on $(tty) after $(cut -d ' ' -f 1 /proc/uptime) s"
            echo "root $(grep ' / ' /proc/mounts)"
            echo "state $(systemctl is-system-running --wait)"
            cd /root
            """

        /// dpkg's check of the checksums of all files that it has installed; it prints those that are not as they were.
        private static let verify = """
            dpkg --verify > verified; echo "verify $? $(wc -l < verified)"
            """

        private static let compileAndInstall = """
            printf '#include <stdio.h>\\nint main(void) { puts("compiled in the guest"); }\\n' > hello.c
            gcc -O2 -o hello hello.c && ./hello
            dpkg -i virtiofs-hello.deb && virtiofs-hello
            dpkg --verify virtiofs-hello && echo "installed after $(cut -d ' ' -f 1 /proc/uptime) s"
            """

        @Test("A Debian boots from the share to a shell, is whole, compiles, installs, and boots again with it")
        func debian() throws {
            let serve = try ServeProcess("--cache", "auto")
            let host = HostSide(serve)
            let maker = try Child(Guest.resource("make-debian"), [host.folder.path.string]).outcome(seconds: 900)
            try #require(maker.status == 0, "\(maker.errors)")
            let made = try host.attributes()
            let before = serve.holdings

            let first = try boot(serve, packed: false, [Self.start, Self.verify, Self.compileAndInstall])
            for line in ["compiled in the guest", "hello, nobody", "installed after "] {
                #expect(first.contains("\n\(line)"), "\(first)")
            }
            #expect(serve.holdings(settlingAt: before) == before)
            try checkInstalled(host, made: made)

            let second = try boot(serve, packed: true, [Self.start, "virtiofs-hello", "./hello", Self.verify])
            for line in ["compiled in the guest", "hello, nobody"] {
                #expect(second.contains("\n\(line)"), "\(second)")
            }
            #expect(serve.holdings(settlingAt: before) == before)
            try checkInstalled(host, made: made)
            #expect(serve.terminate() == 0)
        }

        /// Boots, runs commands in the shell that the Debian's own init leads to, and waits for the end; what was said.
        private func boot(_ serve: ServeProcess, packed: Bool, _ commands: [String]) throws -> String {
            try serve.folder.add("root/work", Array(commands.joined(separator: "\n").utf8))
            var machine = GuestMachine()
            machine.start = .root
            machine.packed = packed
            machine.memory = 512
            machine.limit = 1200
            let outcome = try Guest(serve, machine).finish()
            let console = outcome.console
            #expect(outcome.accepted(ringPacked) == packed)
            #expect(console.contains("\nshell of systemd on /dev/"), "\(console)")
            #expect(console.contains("\nroot myfs / virtiofs rw,"), "\(console)")
            #expect(console.contains("\nstate running\n"), "\(console)")
            #expect(console.contains("\nverify 0 0\n"), "\(console)")
            #expect(console.contains("reboot: Power down"), "\(console)")
            #expect(serve.log == "")
            for line in console.split(separator: "\n") where line.contains(" after ") {
                print("packed \(packed): \(line)")
            }
            return console
        }

        /// On the host, all has the owners and modes that debootstrap gave it, and what the guest has installed those that
        /// its package says.
        private func checkInstalled(_ host: HostSide, made: [String: String]) throws {
            let now = try host.attributes()
            let changed = made.filter { now[$0.key] != $0.value }.keys.sorted()
            #expect(changed == [])
            let unpacked = try host.attributes(of: "root/unpacked").filter { $0.key.contains("virtiofs-hello") }
            #expect(unpacked.count == 306)
            for (name, attributes) in unpacked { #expect(now[name] == attributes, "\(name)") }
            #expect(try host.shell("diff -r root/unpacked/usr/share/virtiofs-hello usr/share/virtiofs-hello") == "")
            #expect(try host.shell("stat -c %h usr/share/virtiofs-hello/hard") == "2\n")
            #expect(try succeed("dpkg", "--root", host.folder.path.string, "--verify") == "")
        }
    }
}
