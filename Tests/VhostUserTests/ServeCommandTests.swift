import FUSEWire
import Foundation
import ProcessSupport
import ServeSupport
import SystemPackage
import Testing
import VirtioTestSupport

extension VhostUserTests {
    /// The command itself: its options, its messages and its socket's file.
    @Suite struct ServeCommandTests {
        private func serve(_ arguments: String...) throws -> Outcome {
            try Child(commandPath, ["serve"] + arguments).outcome()
        }

        @Test("--print-capabilities needs nothing else and says what vhost-user.json wants to know")
        func capabilities() throws {
            let outcome = try serve("--print-capabilities")
            #expect(outcome.status == 0)
            let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: String]
            #expect(object == ["type": "fs"])
        }

        @Test("What can't be is one line on standard error, and a status")
        func mistakes() throws {
            #expect(try serve().status == 64)
            #expect(try serve("/tmp").status == 64)
            #expect(try serve("/tmp", "--shared-dir", "/tmp", "--socket-path", "/tmp/none").status == 64)
            #expect(try serve("/tmp", "--socket-path", "/tmp/none", "--fd", "3").status == 64)
            let missing = try serve("/nowhere", "--socket-path", "/tmp/none")
            #expect(missing.status == 1)
            #expect(missing.errors == "virtiofs: can't open /nowhere: No such file or directory\n")
            let noSocket = try serve("/tmp", "--fd", "0")
            #expect(noSocket.status == 1)
            #expect(noSocket.errors == "virtiofs: descriptor 0 is not a socket\n")
        }

        @Test("The file for libvirt names a program, which is this command under a name of virtiofsd's")
        func libvirt() throws {
            let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("../../Fixtures/vhost-user/50-swift-virtiofs.json")
            let object = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: String]
            #expect(object?["type"] == "fs" && object?["description"] != nil)
            let name = try #require(object?["binary"]?.split(separator: "/").last)
            let place = TemporaryFolder()
            let program = place.path.appending(String(name)).string
            try FileManager.default.createSymbolicLink(atPath: program, withDestinationPath: commandPath)
            #expect(try Child(program, ["--print-capabilities"]).outcome().output == "{\"type\": \"fs\"}\n")
            // As libvirt calls it.
            let socket = place.path.appending("socket").string
            let options = "source=\(place.path.string),cache=none,xattr,no_flock,no_posix_lock"
            let child = try Child(program, ["--socket-path=\(socket)", "-o", options, "--thread-pool-size=4", "-f"])
            #expect(child.firstLine() == "myfs: \(place.path.string) is offered at \(socket)")
            let client = try Client(path: socket, packed: false)
            client.close()
            child.signal(SIGTERM)
            #expect(child.outcome().status == 0)
        }

        @Test(
            "Options of virtiofsd's that this device has not are refused, each in one line",
            arguments: [
                (["-o", "timeout=3"], "virtiofs: -o timeout= is not supported\n"),
                (["-o", "xattr,nonsense"], "virtiofs: -o nonsense is not supported\n"),
                (
                    ["--security-label"],
                    """
                    virtiofs: --security-label is not supported: guests can set labels as extended attributes \
                    (see 'virtiofs --help')\n
                    """
                ),
            ])
        func refuses(options: [String], message: String) throws {
            let outcome = try Child(commandPath, ["serve", "/tmp", "--socket-path", "/tmp/none"] + options).outcome()
            #expect(outcome.status != 0)
            #expect(outcome.errors == message)
        }

        @Test("Each option does what it says", arguments: [false, true])
        func options(isOn: Bool) throws {
            let names = ["announce-submounts", "readdirplus", "killpriv-v2", "posix-acl", "locks"]
            let flags = names.map { isOn ? "--\($0)" : "--no-\($0)" }
            let place = TemporaryFolder()
            let socket = place.path.appending("socket").string
            let child = try Child(commandPath, ["serve", place.path.string, "--socket-path", socket] + flags)
            #expect(child.firstLine().hasSuffix(socket))
            let client = try Client(path: socket, packed: false, initFlags: InitFlags(rawValue: UInt64(UInt32.max)))
            let chosen = client.chosen
            let expected: [InitFlags] = [.submounts, .doReaddirplus, .handleKillprivV2, .posixLocks, .flockLocks]
            #expect(expected.allSatisfy { chosen.contains($0) == isOn })
            client.close()
            child.signal(SIGTERM)
            #expect(child.outcome().status == 0)
        }

        @Test("A socket's path that is in use, or another kind of file, is left alone")
        func pathInUse() throws {
            let running = try ServeProcess()
            #expect(try serve("/tmp", "--socket-path", running.socketPath).status == 1)
            try running.folder.add("file", [1])
            let file = running.folder.path.appending("file").string
            #expect(try serve("/tmp", "--socket-path", file).status == 1)
            #expect(try running.folder.content("file") == [1])
            // The one that was there first still serves.
            let client = try Client(running)
            client.close()
        }

        @Test("A socket that a killed process has left is taken over")
        func staleSocket() throws {
            let first = try ServeProcess()
            let stale = first.socketPath
            first.kill()
            #expect(FileManager.default.fileExists(atPath: stale))
            let second = try ServeProcess(at: stale)
            let client = try Client(second)
            client.close()
            #expect(second.terminate() == 0)
            #expect(!FileManager.default.fileExists(atPath: stale))
        }
    }
}
