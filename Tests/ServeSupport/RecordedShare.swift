import ProcessSupport
import SystemPackage
public import VirtioTestSupport

/// The share of the recordings in Fixtures/recordings, as it was when they began.
public enum RecordedShare {
    /// The folder Fixtures/recordings, and the names of what is in it.
    public static let folder: String = {
        let file = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return "/\(file)/Fixtures/recordings"
    }()
    public static let names = ["linux-6.1", "linux-6.1-packed", "linux-6.1-writeback", "linux-6.12"]

    public static func path(_ name: String) -> String { "\(folder)/\(name).recording" }

    /// Makes it anew. Modes don't depend on this process's umask.
    public static func make() throws -> TemporaryFolder {
        let share = TemporaryFolder()
        try share.add("hello.txt", Array("hello from the host\n".utf8))
        try share.addFolder("poems")
        try share.add("poems/ring.txt", Array("one ring\n".utf8))
        let names = ["hello.txt", "poems/ring.txt"].map { share.path.appending($0).string }
        try succeed("chmod", "600", names[0], names[1])
        try succeed("chmod", "755", share.path.appending("poems").string)
        try succeed("chmod", "700", share.path.string)
        return share
    }
}
