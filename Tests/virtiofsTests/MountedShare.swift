import Foundation
import ProcessSupport
import Testing

/// A folder of its own for a test, removed at the end.
final class TemporaryFolder {
    let url: URL

    init() throws {
        let pattern = FileManager.default.temporaryDirectory.appendingPathComponent("virtiofs-test.XXXXXX").path
        var template = Array(pattern.utf8CString)
        url = URL(fileURLWithPath: String(cString: try #require(mkdtemp(&template))))
    }

    var path: String { url.path }

    /// Makes a folder inside and returns its path.
    func folder(_ name: String) throws -> String {
        let folder = url.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder.path
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}

/// A share mounted by the command, in the foreground.
final class MountedShare {
    let folder = try! TemporaryFolder()
    let share: String
    let mountPoint: String
    let child: Child
    private var ended = false

    convenience init(_ options: String...) throws { try self.init(options) }

    /// - Parameter options: of `virtiofs mount`, before share and mount point.
    init(_ options: [String]) throws {
        share = try folder.folder("share")
        mountPoint = try folder.folder("mnt")
        child = try Child(commandPath, ["mount", "-f"] + options + [share, mountPoint])
        let line = child.firstLine()
        try #require(line.contains("is mounted on"), "\(child.outcome().errors)")
    }

    func mounted(_ name: String) -> String { mountPoint + "/" + name }
    func shared(_ name: String) -> String { share + "/" + name }

    /// Unmounts as a user would, and waits for the command's end.
    func end() throws {
        ended = true
        try succeed("fusermount3", "-u", mountPoint)
        let outcome = child.outcome()
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        #expect(!isMountPoint(mountPoint))
    }

    /// Waits for the command's end, which something else has brought about.
    func waitForEnd() -> Outcome {
        ended = true
        return child.outcome()
    }

    deinit {
        guard !ended else { return }
        child.signal(SIGKILL)
        _ = try? run("fusermount3", "-u", "-q", "-z", mountPoint)
        _ = child.outcome()
    }
}

/// Whether something is mounted there.
func isMountPoint(_ path: String) -> Bool {
    let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
    return mounts.split(separator: "\n").contains { $0.split(separator: " ")[4] == path }
}
