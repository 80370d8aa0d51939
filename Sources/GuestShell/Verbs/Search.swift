import CKernel
import GuestVFS
import SystemPackage
import VirtioFSDriver

/// One call of `find`.
struct Search {
    private let shell: Shell
    private(set) var starts: [GuestPath] = []
    /// With its terminating zero, for fnmatch(3).
    private var pattern: [UInt8]?
    private var type: UInt32?

    private static let types: [String: Int32] = [
        "f": S_IFREG, "d": S_IFDIR, "l": S_IFLNK, "p": S_IFIFO, "s": S_IFSOCK, "c": S_IFCHR, "b": S_IFBLK,
    ]

    init(_ shell: Shell, _ words: [GuestPath]) throws(ShellError) {
        self.shell = shell
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "-name":
                guard let value = rest.popFirst() else { throw ShellError("'-name' takes a pattern", status: 2) }
                pattern = value.bytes + [0]
            case "-type":
                guard let value = rest.popFirst(), let found = Self.types[value.description] else {
                    throw ShellError("'-type' takes one of f, d, l, p, s, c and b", status: 2)
                }
                type = UInt32(found)
            case _ where word.bytes.first == UInt8(ascii: "-"):
                throw ShellError("there is no option '\(ShownName.shown(word.bytes))'", status: 2)
            default: starts.append(word)
            }
        }
        if starts.isEmpty { starts = ["."] }
    }

    func look(at path: GuestPath) async throws(ShellError) {
        let found = try await about(path) { () async throws(Errno) in
            try await shell.process.stat(path, follows: false)
        }
        if isWanted(path, found) { shell.output.line(ShownName.shown(path.bytes)) }
        guard found.isFolder else { return }
        for entry in try await shell.entries(of: path) where !Task.isCancelled {
            do throws(ShellError) {
                try await look(at: path.appending(entry.name))
            } catch {
                shell.complain("find: \(error.description)")
            }
        }
    }

    private func isWanted(_ path: GuestPath, _ found: fuse_attr) -> Bool {
        if let type, found.fileType != type { return false }
        guard let pattern else { return true }
        return Glob.matches(pattern, path.components.last?.bytes ?? Array("/".utf8))
    }
}
