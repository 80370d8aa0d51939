import CKernel
import GuestVFS
import SystemPackage
import VirtioFSDriver

extension Verb {
    static let ls = Verb(
        name: "ls", usage: "[-aAdhlnrRSt1] [FILE…]",
        summary: "list folders: -l with attributes, -a with hidden names, -R with all below, -t by time, -S by size",
        letters: "aAdhlnrRSt1"
    ) { shell, arguments async throws(ShellError) in
        let list = List(shell: shell, arguments: arguments)
        await list.run()
    }
}

/// One call of `ls`.
private struct List {
    let shell: Shell
    let arguments: Arguments

    struct Item {
        var name: EntryName
        var path: GuestPath
        var attributes: fuse_attr
    }

    func run() async {
        let operands = arguments.operands.isEmpty ? ["."] : arguments.operands
        var files: [Item] = []
        var folders: [GuestPath] = []
        await shell.each(operands, of: "ls") { path async throws(ShellError) in
            let found = try await attributes(path)
            if found.isFolder && !arguments.has("d") {
                folders.append(path)
            } else {
                files.append(Item(name: EntryName(path.bytes), path: path, attributes: found))
            }
        }
        await show(sorted(files))
        let named = operands.count > 1 || arguments.has("R")
        for (index, folder) in folders.enumerated() {
            await show(folder, named: named, isFirst: index == 0 && files.isEmpty)
        }
    }

    /// A link that is named is followed, but not with -l, and not where it leads nowhere.
    private func attributes(_ path: GuestPath) async throws(ShellError) -> fuse_attr {
        if !arguments.has("l") && !arguments.has("d"), let found = try? await shell.process.stat(path) { return found }
        return try await about(path) { () async throws(Errno) in try await shell.process.stat(path, follows: false) }
    }

    private func show(_ folder: GuestPath, named: Bool, isFirst: Bool) async {
        guard !Task.isCancelled else { return }
        var items: [Item] = []
        do throws(ShellError) {
            items = try await self.items(of: folder)
        } catch {
            return shell.complain("ls: \(error.description)")
        }
        if named {
            if !isFirst { shell.output.line("") }
            shell.output.line("\(ShownName.shown(folder.bytes)):")
        }
        await show(items)
        guard arguments.has("R") else { return }
        for item in items where item.attributes.isFolder && item.name != "." && item.name != ".." {
            await show(item.path, named: true, isFirst: false)
        }
    }

    private func items(of folder: GuestPath) async throws(ShellError) -> [Item] {
        var names = try await shell.entries(of: folder).map(\.name)
        if !arguments.has("a") && !arguments.has("A") { names = names.filter { $0.bytes.first != UInt8(ascii: ".") } }
        if arguments.has("a") { names = [".", ".."] + names }
        var items: [Item] = []
        for name in names {
            let path = folder.appending(name)
            // Something may have gone since the folder was read.
            guard let found = try? await shell.process.stat(path, follows: false) else { continue }
            items.append(Item(name: name, path: path, attributes: found))
        }
        return sorted(items)
    }

    private func sorted(_ items: [Item]) -> [Item] {
        var items = items
        if arguments.has("S") {
            items.sort { $0.attributes.size > $1.attributes.size }
        } else if arguments.has("t") {
            func moment(_ item: Item) -> (Int64, UInt32) {
                (Int64(bitPattern: item.attributes.mtime), item.attributes.mtimensec)
            }
            items.sort { moment($0) > moment($1) }
        }
        return arguments.has("r") ? items.reversed() : items
    }

    private func show(_ items: [Item]) async {
        guard arguments.has("l") || arguments.has("n") else {
            let names = items.map { ShownName.shown($0.name) }
            let lines = arguments.has("1") ? nil : shell.output.width.map { Listing.columns(names, width: $0) }
            for line in lines ?? names { shell.output.line(line) }
            return
        }
        var rows: [[String]] = []
        for item in items { rows.append(await row(item)) }
        for line in Listing.table(rows, right: [1, 4]) { shell.output.line(line) }
    }

    private func row(_ item: Item) async -> [String] {
        let found = item.attributes
        var name = ShownName.shown(item.name)
        if found.fileType == UInt32(S_IFLNK), let target = try? await shell.process.readlink(item.path) {
            name += " -> \(ShownName.shown(target.bytes))"
        }
        let isDevice = [S_IFCHR, S_IFBLK].contains(Int32(bitPattern: found.fileType))
        let size =
            isDevice
            ? "\(found.rdev >> 8 & 0xfff),\(found.rdev & 0xff | found.rdev >> 12 & 0xfff00)"
            : arguments.has("h") ? Listing.human(found.size) : String(found.size)
        return [
            Listing.modeText(found), String(found.nlink),
            arguments.has("n") ? String(found.uid) : Owners.user(found.uid),
            arguments.has("n") ? String(found.gid) : Owners.group(found.gid), size, Listing.time(found.mtime), name,
        ]
    }
}
