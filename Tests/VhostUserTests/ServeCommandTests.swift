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
