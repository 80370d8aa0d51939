import CKernel
import GuestVFS
import SystemPackage
import VirtioFSDriver

extension Verb {
    static let chmod = Verb(
        name: "chmod", usage: "[-R] MODE FILE…", summary: "change permissions, as in 'chmod 640 a' or 'chmod u+x a'",
        letters: "R"
    ) { shell, arguments async throws(ShellError) in
        let operands = try arguments.operands(2...Int.max)
        let change = try ModeChange(operands[0].description)
        await shell.each(Array(operands.dropFirst()), of: "chmod") { path async throws(ShellError) in
            try await changeMode(of: path, change, isDeep: arguments.has("R"), shell)
        }
    }

    private static func changeMode(
        of path: GuestPath, _ change: ModeChange, isDeep: Bool, _ shell: Shell
    ) async throws(ShellError) {
        let found = try await about(path) { () async throws(Errno) in
            let found = try await shell.process.stat(path)
            try await shell.process.chmod(path, mode: change.applied(to: found))
            return found
        }
        guard isDeep && found.isFolder else { return }
        for entry in try await shell.entries(of: path) where entry.type != UInt8(DT_LNK) && !Task.isCancelled {
            try await changeMode(of: path.appending(entry.name), change, isDeep: true, shell)
        }
    }

    static let stat = Verb(name: "stat", usage: "FILE…", summary: "tell all about files", letters: "") {
        shell, arguments async throws(ShellError) in
        await shell.each(try arguments.operands(1...Int.max), of: "stat") { path async throws(ShellError) in
            let (found, target) = try await about(path) { () async throws(Errno) in
                let found = try await shell.process.stat(path, follows: false)
                let isLink = found.fileType == UInt32(S_IFLNK)
                return (found, isLink ? try await shell.process.readlink(path) : nil)
            }
            let link = target.map { " -> \(ShownName.shown($0.bytes))" } ?? ""
            let mode = String(found.mode & 0o7777, radix: 8)
            shell.output.line("  File: \(ShownName.shown(path.bytes))\(link)")
            shell.output.line(
                "  Type: \(Listing.typeName(found)), size \(found.size), \(found.blocks) blocks of 512 bytes")
            shell.output.line(" Inode: \(found.ino), \(found.nlink) links")
            shell.output.line(
                "Access: \(Listing.modeText(found)) (\(mode)), user \(Owners.user(found.uid)), group \(Owners.group(found.gid))"
            )
            shell.output.line("Accessed: \(Listing.time(found.atime, found.atimensec))")
            shell.output.line("Modified: \(Listing.time(found.mtime, found.mtimensec))")
            shell.output.line(" Changed: \(Listing.time(found.ctime, found.ctimensec))")
        }
    }

    static let df = Verb(
        name: "df", usage: "[-h] [FILE…]", summary: "tell how much space there is", letters: "h"
    ) { shell, arguments async throws(ShellError) in
        let isHuman = arguments.has("h")
        func size(_ blocks: UInt64, _ space: fuse_kstatfs) -> String {
            let bytes = blocks * UInt64(space.frsize == 0 ? space.bsize : space.frsize)
            return isHuman ? Listing.human(bytes) : String(bytes / 1024)
        }
        var rows = [[isHuman ? "Size" : "1K-blocks", "Used", "Available", "Use%", "Files", "Free files", "Path"]]
        await shell.each(arguments.operands.isEmpty ? ["."] : arguments.operands, of: "df") {
            path async throws(ShellError) in
            let space = try await about(path) { () async throws(Errno) in try await shell.process.statfs(path) }
            let used = space.blocks - min(space.bfree, space.blocks)
            let seen = used + space.bavail
            let share = seen == 0 ? "-" : "\((used * 100 + seen - 1) / seen)%"
            rows.append([
                size(space.blocks, space), size(used, space), size(space.bavail, space), share, String(space.files),
                String(space.ffree), ShownName.shown(path.bytes),
            ])
        }
        guard rows.count > 1 else { return }
        for line in Listing.table(rows, right: [0, 1, 2, 3, 4, 5]) { shell.output.line(line) }
    }
}
