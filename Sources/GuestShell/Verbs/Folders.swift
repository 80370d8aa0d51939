import CKernel
import GuestVFS
import SystemPackage
import VirtioFSDriver

extension Verb {
    static let cd = Verb(name: "cd", usage: "[FOLDER]", summary: "go to a folder", letters: "") {
        shell, arguments async throws(ShellError) in
        let path = try arguments.operands(0...1).first ?? "/"
        try await about(path) { () async throws(Errno) in try await shell.process.chdir(path) }
    }

    static let pwd = Verb(name: "pwd", usage: "", summary: "tell which folder this is", letters: "") {
        shell, arguments async throws(ShellError) in
        _ = try arguments.operands(0...0)
        shell.output.line(ShownName.shown(shell.process.workingFolder.bytes))
    }

    static let mkdir = Verb(
        name: "mkdir", usage: "[-p] [-m MODE] FOLDER…", summary: "make folders", letters: "pm:"
    ) { shell, arguments async throws(ShellError) in
        let mode = try arguments.values["m"].map(ModeChange.octal) ?? 0o777
        await shell.each(try arguments.operands(1...Int.max), of: "mkdir") { path async throws(ShellError) in
            if arguments.has("p") { try await makeParents(of: path, shell) }
            try await about(path) { () async throws(Errno) in
                do throws(Errno) {
                    try await shell.process.mkdir(path, mode: mode)
                    // mkdir(2) has taken the umask off; -m means what it says.
                    if arguments.values["m"] != nil { try await shell.process.chmod(path, mode: mode) }
                } catch .fileExists where arguments.has("p") {
                    guard try await shell.process.stat(path).isFolder else { throw .fileExists }
                }
            }
        }
    }

    private static func makeParents(of path: GuestPath, _ shell: Shell) async throws(ShellError) {
        var parent: GuestPath = path.isAbsolute ? "/" : ""
        for name in path.components.dropLast() {
            parent = parent.appending(name)
            let made = parent
            try await about(made) { () async throws(Errno) in
                do throws(Errno) { try await shell.process.mkdir(made, mode: 0o777) } catch .fileExists {}
            }
        }
    }

    static let rmdir = Verb(name: "rmdir", usage: "FOLDER…", summary: "remove empty folders", letters: "") {
        shell, arguments async throws(ShellError) in
        await shell.each(try arguments.operands(1...Int.max), of: "rmdir") { path async throws(ShellError) in
            try await about(path) { () async throws(Errno) in try await shell.process.rmdir(path) }
        }
    }

    static let rm = Verb(
        name: "rm", usage: "[-rf] FILE…", summary: "remove files, with -r folders and all that is in them",
        letters: "rRf"
    ) { shell, arguments async throws(ShellError) in
        let isDeep = arguments.has("r") || arguments.has("R")
        await shell.each(try arguments.operands(arguments.has("f") ? 0...Int.max : 1...Int.max), of: "rm") {
            path async throws(ShellError) in
            do throws(ShellError) {
                try await remove(path, isDeep: isDeep, shell)
            } catch {
                // -f is about what is not there, and nothing else.
                let isMissing = (try? await shell.process.stat(path, follows: false)) == nil
                guard arguments.has("f"), isMissing else { throw error }
            }
        }
    }

    private static func remove(_ path: GuestPath, isDeep: Bool, _ shell: Shell) async throws(ShellError) {
        let found = try await about(path) { () async throws(Errno) in
            try await shell.process.stat(path, follows: false)
        }
        guard found.isFolder && isDeep else {
            return try await about(path) { () async throws(Errno) in try await shell.process.unlink(path) }
        }
        for entry in try await shell.entries(of: path) where !Task.isCancelled {
            try await remove(path.appending(entry.name), isDeep: true, shell)
        }
        try await about(path) { () async throws(Errno) in try await shell.process.rmdir(path) }
    }

    static let mv = Verb(
        name: "mv", usage: "FILE… TARGET", summary: "rename a file, or move files into a folder", letters: ""
    ) { shell, arguments async throws(ShellError) in
        let operands = try arguments.operands(2...Int.max)
        let target = operands.last!
        let isFolder = (try? await shell.process.stat(target))?.isFolder == true
        guard operands.count == 2 || isFolder else { throw ShellError(target, .notDirectory) }
        await shell.each(Array(operands.dropLast()), of: "mv") { path async throws(ShellError) in
            let destination = await shell.destination(path.lastName, at: target)
            try await about(path) { () async throws(Errno) in
                try await shell.process.rename(path, to: destination)
            }
        }
    }

    static let ln = Verb(
        name: "ln", usage: "[-s] TARGET [NAME]", summary: "make a link, with -s a symbolic one", letters: "s"
    ) { shell, arguments async throws(ShellError) in
        let operands = try arguments.operands(1...2)
        let destination = await shell.destination(operands[0].lastName, at: operands.count > 1 ? operands[1] : ".")
        try await about(destination) { () async throws(Errno) in
            if arguments.has("s") {
                try await shell.process.symlink(destination, target: operands[0])
            } else {
                try await shell.process.link(operands[0], to: destination)
            }
        }
    }
}
