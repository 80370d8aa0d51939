import CKernel
import GuestVFS
import SystemPackage

extension Verb {
    static let help = Verb(name: "help", usage: "[COMMAND]", summary: "tell what commands there are", letters: "") {
        shell, arguments async throws(ShellError) in
        guard let name = try arguments.operands(0...1).first else {
            for line in Listing.table(all.map { ["\($0.name) \($0.usage)", "  " + $0.summary] }, right: []) {
                shell.output.line(line)
            }
            return
        }
        guard let verb = all.first(where: { $0.name == name.description }) else {
            throw ShellError("there is no command '\(ShownName.shown(name.bytes))'")
        }
        shell.output.line("\(verb.name) \(verb.usage)")
        shell.output.line("    \(verb.summary)")
    }

    static let exit = Verb(name: "exit", usage: "[STATUS]", summary: "leave the shell", letters: "") {
        shell, arguments async throws(ShellError) in
        let word = try arguments.operands(0...1).first
        guard let status = word.map({ UInt8($0.description) }) ?? 0 else {
            throw ShellError("the status is a number from 0 to 255", status: 2)
        }
        shell.status = Int32(status)
        shell.isOver = true
    }

    static let cat = Verb(name: "cat", usage: "FILE…", summary: "print what is in files", letters: "") {
        shell, arguments async throws(ShellError) in
        await shell.each(try arguments.operands(1...Int.max), of: "cat") { path async throws(ShellError) in
            try await Transfer(shell).read(path) { bytes in shell.output.bytes(bytes) }
        }
    }

    static let get = Verb(
        name: "get", usage: "[-r] FILE… [LOCAL]", summary: "copy files to this machine, with -r folders", letters: "r"
    ) { shell, arguments async throws(ShellError) in
        let operands = try arguments.operands(1...Int.max)
        let target = operands.count > 1 ? operands.last!.bytes : Array(".".utf8)
        let sources = operands.count > 1 ? Array(operands.dropLast()) : operands
        let transfer = Transfer(shell, isDeep: arguments.has("r"))
        await shell.each(sources, of: "get") { path async throws(ShellError) in
            try await transfer.get(path, to: LocalPath(target), isOneOfSeveral: sources.count > 1)
        }
    }

    static let put = Verb(
        name: "put", usage: "[-r] LOCAL… [TARGET]", summary: "copy files of this machine here, with -r folders",
        letters: "r"
    ) { shell, arguments async throws(ShellError) in
        let operands = try arguments.operands(1...Int.max)
        let target = operands.count > 1 ? operands.last! : "."
        let sources = operands.count > 1 ? Array(operands.dropLast()) : operands
        let isFolder = (try? await shell.process.stat(target))?.isFolder == true
        guard sources.count == 1 || isFolder else { throw ShellError(target, .notDirectory) }
        let transfer = Transfer(shell, isDeep: arguments.has("r"))
        await shell.each(sources, of: "put") { path async throws(ShellError) in
            let destination = await shell.destination(path.lastName, at: target)
            try await transfer.put(LocalPath(path.bytes), to: destination)
        }
    }
}
