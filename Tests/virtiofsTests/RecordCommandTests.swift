import Foundation
import ProcessSupport
import ServeSupport
import SystemPackage
import Testing
import VirtioTestSupport

/// `serve --record`, `mount --record` and `replay`, end to end.
@Suite struct RecordCommandTests {
    private let place: TemporaryFolder

    init() throws { place = try TemporaryFolder() }

    private var file: String { place.path + "/recording" }

    /// Has `virtiofs serve` record what `virtiofs shell` does, in the sandbox it has by default.
    private func serve(_ options: String...) throws {
        let serve = try ServeProcess(over: try RecordedShare.make(), options: ["--record", file] + options)
        let work = "cat hello.txt; ls poems; mkdir new; put \(serve.folder.path)/hello.txt new/copy; rm new/copy; df"
        let outcome = try virtiofs("shell", "--socket-path", serve.socketPath, "-c", work)
        #expect(outcome.output.hasPrefix("hello from the host\n"), "\(outcome)")
        #expect(serve.terminate() == 0)
        #expect(serve.log == "")
    }

    private func replay(_ target: String...) throws -> Outcome {
        try Child(commandPath, ["replay", file] + target).outcome()
    }

    private func expectSame(_ outcome: Outcome) {
        #expect(outcome.status == 0 && outcome.errors == "", "\(outcome)")
        let words = outcome.output.split(separator: " ")
        #expect(words.count > 1 && (Int(words[0]) ?? 0) > 10 && outcome.output.hasSuffix(" exchanges, no difference\n"))
    }

    private func expectSameAgain() throws {
        let share = try RecordedShare.make()
        expectSame(try replay(share.path.string))
    }

    @Test("What serve has recorded is answered in the same way over a folder, and by a device at a socket")
    func served() throws {
        try serve()
        try expectSameAgain()
        let other = try ServeProcess(over: RecordedShare.make())
        expectSame(try replay("--socket-path", other.socketPath))
        #expect(other.terminate() == 0)
    }

    @Test(
        "A replay serves as the recorded device did, whatever it was told",
        arguments: [
            ["--cache", "always", "--writeback"], ["--cache", "never", "--no-readdirplus", "--no-locks"],
            ["--translate-uid", "map:0:1000:1", "--xattrmap", ":map::user.virtiofs.:", "--no-killpriv-v2"],
        ])
    func settings(options: [String]) throws {
        let serve = try ServeProcess(over: RecordedShare.make(), options: ["--record", file] + options)
        let work = "cat hello.txt; ls -l; mkdir new; rmdir new"
        #expect(try virtiofs("shell", "--socket-path", serve.socketPath, "-c", work).status == 0)
        #expect(serve.terminate() == 0)
        try expectSameAgain()
        // The same by a device that was told nothing is something else.
        let other = try ServeProcess(over: RecordedShare.make())
        let outcome = try replay("--socket-path", other.socketPath)
        #expect(outcome.status == 1 && outcome.errors.hasPrefix("virtiofs: exchange "), "\(outcome)")
        #expect(other.terminate() == 0)
    }

    @Test(
        "What mount has recorded of this machine's kernel is answered in the same way over a folder",
        arguments: [
            [], ["--ring", "packed", "--cache", "always"], ["--attr-timeout", "0.5", "--max-write", "65536"],
        ])
    func mounted(options: [String]) throws {
        // One queue: requests take effect in the order in which they are answered.
        let mount = try MountedShare(options + ["--record", file, "--queues", "1"])
        try "content".write(toFile: mount.shared("file"), atomically: false, encoding: .utf8)
        try succeed("/bin/sh", "-c", "cd '\(mount.mountPoint)' && cat file && mkdir new && mv file new && ls -l . new")
        try mount.end()
        let share = try place.folder("again")
        try "content".write(toFile: share + "/file", atomically: false, encoding: .utf8)
        try succeed("chmod", "--reference", mount.share, share)
        try succeed("chmod", "--reference", mount.shared("new/file"), share + "/file")
        expectSame(try replay(share))
    }

    @Test(
        "A real guest's requests are answered in the same way as when they were recorded",
        arguments: RecordedShare.names)
    func guests(name: String) throws {
        let share = try RecordedShare.make()
        let outcome = try virtiofs("replay", RecordedShare.path(name), share.path.string)
        expectSame(outcome)
    }

    @Test("The first difference is shown, and the exchange in which it is")
    func difference() throws {
        try serve()
        let share = try RecordedShare.make()
        try share.add("hello.txt", Array("hello from the hose\n".utf8))
        let outcome = try replay(share.path.string)
        #expect(outcome.status == 1 && outcome.output == "", "\(outcome)")
        let pattern = #"^virtiofs: exchange \d+ \(read\): byte 34 of the answer differs; recorded: .*; found: .*\n$"#
        #expect(outcome.errors.range(of: pattern, options: .regularExpression) != nil, "\(outcome.errors)")
    }

    @Test("What is no recording, or can't be made one, is one line and a status")
    func mistakes() throws {
        let share = try place.folder("share")
        let text = place.path + "/text"
        try "#!/bin/sh\nexit 0\n".write(toFile: text, atomically: false, encoding: .utf8)
        let unknown = place.path + "/unknown"
        try Data("virtiofs\u{2}\0\0\0\u{8}\0\0\0sail=yes".utf8).write(to: URL(fileURLWithPath: unknown))
        let wrong: [(words: [String], says: String, status: Int32)] = [
            (["replay", text, share], "not a recording", 1),
            (["replay", place.path + "/nothing", share], "No such file or directory", 1),
            (["replay", unknown, share], "a setting of the recording is not known: 'sail=yes'", 1),
            (["replay", text], "name a folder to share", 64),
            (["serve", share, "--socket-path", place.path + "/socket", "--record", share], "can't make \(share)", 1),
            (["mount", "-f", "--record", share, share, try place.folder("mnt")], "can't make \(share)", 1),
        ]
        for (words, says, status) in wrong {
            let outcome = try Child(commandPath, words).outcome()
            #expect(outcome.status == status && outcome.errors.contains(says), "\(words): \(outcome)")
            #expect(outcome.errors.hasPrefix("virtiofs: "))
            #expect(outcome.errors.filter { $0 == "\n" }.count == 1, "\(outcome.errors)")
        }
    }
}
