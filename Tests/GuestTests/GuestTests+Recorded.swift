import Foundation
import ProcessSupport
import ServeSupport
import SystemPackage
import Testing
import VirtioTestSupport

extension GuestTests {
    /// Makes recordings as those in Fixtures/recordings, and replays them. With `VIRTIOFS_RECORDINGS=FOLDER` they are left
    /// there.
    @Suite(.enabled(if: runsInFull)) struct RecordedTests {
        @Test(
            "What a guest has asked is answered in the same way again, on both kinds of ring, by either kernel",
            arguments: RecordedShare.names)
        func recorded(name: String) throws {
            let place = TemporaryFolder()
            let file = place.path.appending("recording").string
            let options = name.hasSuffix("writeback") ? ["--cache", "always", "--writeback"] : []
            let serve = try ServeProcess(
                over: try RecordedShare.make(), options: options + ["--record", file, "--queues", "4"])
            let script = try String(contentsOfFile: Guest.resource("recorded.sh"), encoding: .utf8)
            let outcome = try Guest(serve, try machine(name), script: script).finish()
            #expect(outcome.status == 0, "\(outcome.console)")
            #expect(outcome.accepted(ringPacked) == name.hasSuffix("packed"))
            #expect(serve.terminate() == 0)
            if let folder = getenv("VIRTIOFS_RECORDINGS") {
                try succeed("cp", file, "\(String(cString: folder))/\(name).recording")
            }
            let again = try RecordedShare.make()
            let replayed = try virtiofs("replay", file, again.path.string)
            #expect(replayed.status == 0, "\(replayed)")
            #expect(replayed.output.hasSuffix(" exchanges, no difference\n"), "\(replayed)")
        }

        /// One processor, so that the order in which requests are answered is the one in which they take effect; but as many
        /// as there are queues where those are the matter.
        private func machine(_ name: String) throws -> GuestMachine {
            var machine = GuestMachine()
            machine.packed = name.hasSuffix("packed")
            if name.contains("6.12") {
                machine.kernel = GuestKernel.newer
                machine.queues = 4
                machine.processors = 4
            } else {
                machine.processors = 1
                machine.files = [String(cString: try #require(getenv("VIRTIOFS_POSIXSUITE")))]
            }
            return machine
        }
    }
}
