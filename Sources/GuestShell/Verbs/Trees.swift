import CKernel
import GuestVFS
import SystemPackage
import VirtioFSDriver

extension Verb {
    static let find = Verb(
        name: "find", usage: "[FOLDER…] [-name PATTERN] [-type f|d|l|p|s|c|b]",
        summary: "list all that is below, or what of it has such a name or type", letters: nil
    ) { shell, arguments async throws(ShellError) in
        let search = try Search(shell, arguments.operands)
        await shell.each(search.starts, of: "find") { path async throws(ShellError) in
            try await search.look(at: path)
        }
    }

    static let tree = Verb(
        name: "tree", usage: "[-a] [FOLDER]", summary: "draw a folder and all that is below", letters: "a"
    ) { shell, arguments async throws(ShellError) in
        let path = try arguments.operands(0...1).first ?? "."
        let found = try await about(path) { () async throws(Errno) in try await shell.process.stat(path) }
        guard found.isFolder else { throw ShellError(path, .notDirectory) }
        shell.output.line(ShownName.shown(path.bytes))
        try await draw(path, indent: "", hidden: arguments.has("a"), shell)
    }

    private static func draw(
        _ path: GuestPath, indent: String, hidden: Bool, _ shell: Shell
    ) async throws(ShellError) {
        let entries = try await shell.entries(of: path).filter { hidden || $0.name.bytes.first != UInt8(ascii: ".") }
        for (index, entry) in entries.enumerated() where !Task.isCancelled {
            let isLast = index == entries.count - 1
            let below = path.appending(entry.name)
            guard let found = try? await shell.process.stat(below, follows: false) else { continue }
            var name = ShownName.shown(entry.name)
            if found.fileType == UInt32(S_IFLNK), let target = try? await shell.process.readlink(below) {
                name += " -> \(ShownName.shown(target.bytes))"
            }
            shell.output.line(indent + (isLast ? "└── " : "├── ") + name)
            guard found.isFolder else { continue }
            do throws(ShellError) {
                try await draw(below, indent: indent + (isLast ? "    " : "│   "), hidden: hidden, shell)
            } catch {
                shell.complain("tree: \(error.description)")
            }
        }
    }
}
