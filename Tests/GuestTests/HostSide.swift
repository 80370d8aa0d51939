import Foundation
import ProcessSupport
import ServeSupport
import SystemPackage
import VirtioTestSupport

/// What the host sees of a share, by its own tools.
struct HostSide {
    let folder: TemporaryFolder
    init(_ serve: ServeProcess) { folder = serve.folder }
    init(_ folder: TemporaryFolder) { self.folder = folder }

    func path(_ name: String) -> String { folder.path.appending(name).string }

    func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    func size(_ name: String) throws -> Int {
        try FileManager.default.attributesOfItem(atPath: path(name))[.size] as! Int
    }

    /// The checksum of each file below a folder, as sha256sum(1) prints it, by name.
    func sums(_ name: String) throws -> String {
        try shell("find . -type f | LC_ALL=C sort | xargs sha256sum", in: name)
    }

    /// Type, mode, owner, group, and for a link where it leads, of each file in a folder, by name.
    func attributes(of name: String = ".") throws -> [String: String] {
        let listing = try shell("find . -xdev -printf '%P\\t%y %m %U:%G %l\\n'", in: name)
        let lines = listing.split(separator: "\n").map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
        return Dictionary(uniqueKeysWithValues: lines.map { (String($0[0]), String($0[1])) })
    }

    /// What a shell command says in a folder.
    func shell(_ command: String, in name: String = ".") throws -> String {
        try succeed("/bin/sh", "-c", "cd '\(path(name))' && \(command)")
    }

    /// What the cases of Guest/cases.sh say on this machine, without a guest, in a new folder: what they should say in
    /// one. The same busybox runs them.
    static func casesWithoutGuest() throws -> String {
        let tools = TemporaryFolder()
        let work = TemporaryFolder()
        let busybox = try find("busybox")
        try succeed(busybox, "--install", "-s", tools.path.string)
        // One of the cases is another user.
        try succeed("chmod", "755", tools.path.string)
        let script = try String(contentsOfFile: Guest.resource("cases.sh"), encoding: .utf8)
        try work.addFolder("cases")
        let outcome = try Child(
            "/bin/sh", ["-c", "cd \(work.path)/cases && exec busybox sh -c \"$CASES\""],
            environment: ["PATH": "\(tools.path)", "CASES": script]
        ).outcome()
        return outcome.output
    }
}
