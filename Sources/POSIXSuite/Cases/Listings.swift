import CKernel
import SystemPackage

/// getdents64(2), and reading a folder while it changes.
extension Suite {
    @CaseList static var listings: [Case] {
        Case("list.empty") { t in try expectEqual(try t.names(), []) }
        Case("list.dot-and-dot-dot-once", needs: .kernel) { t in
            try t.mkdir("d")
            let entries = try t.listing("d").map(\.entry)
            try expectEqual(entries.map(\.name.description).sorted(), [".", ".."])
            try expectEqual(entries.first { $0.name == "." }!.inode, try t.stat("d").inode)
            try expectEqual(entries.first { $0.name == ".." }!.inode, try t.stat(".").inode)
        }
        Case("list.types-and-inodes") { t in
            try t.make("file")
            try t.mkdir("folder")
            try t.symlink("x", "link")
            try t.mknod("fifo", .fifo | 0o600)
            try t.mknod("socket", .socket | 0o600)
            let types: [String: Int] = [
                "file": DT_REG, "folder": DT_DIR, "link": DT_LNK, "fifo": DT_FIFO, "socket": DT_SOCK,
            ].mapValues { Int($0) }
            for entry in try t.files.list(".") {
                try expectEqual(Int(entry.type), types[entry.name.description] ?? -1, "type of \(entry.name)")
                try expectEqual(entry.inode, try t.lstat(entry.name).inode, "inode of \(entry.name)")
            }
        }
        Case("list.three-hundred-each-once") { t in
            for number in 0..<300 { try t.make("file-\(number)") }
            let names = try t.names()
            try expectEqual(names.count, 300)
            try expectEqual(Set(names).count, 300)
        }
        Case("list.small-buffer-gives-all", needs: .kernel) { t in
            for number in 0..<50 { try t.make("file-\(number)") }
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            var names: [String] = []
            while true {
                let some = try FolderEntries.read(folder.number, size: 64)
                if some.isEmpty { break }
                names += some.map(\.entry.name.description)
            }
            try expectEqual(Set(names).count, 52)
            try expectEqual(names.count, 52)
        }
        Case("list.buffer-too-small-is-refused", needs: .kernel) { t in
            try t.make("a-name-that-does-not-fit")
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            try expectError(.invalidArgument) { _ = try FolderEntries.read(folder.number, size: 16) }
        }
        Case("list.long-names") { t in
            for number in 100..<300 {
                try t.make(Path("\(number)" + String(repeating: "n", count: 252)))
            }
            try expectEqual(Set(try t.names()).count, 200)
        }
        Case("list.twice-after-rewinding", needs: .kernel) { t in
            try t.make("a")
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            let first = try readAll(folder)
            try expectEqual(try folder.seek(0, SEEK_SET), 0)
            try expectEqual(try readAll(folder), first)
        }
        Case("list.rewinding-sees-what-is-new", needs: .kernel) { t in
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            try expectEqual(try readAll(folder), [".", ".."])
            try t.make("new")
            _ = try folder.seek(0, SEEK_SET)
            try expectEqual(try readAll(folder), [".", "..", "new"])
            try t.unlink("new")
            _ = try folder.seek(0, SEEK_SET)
            try expectEqual(try readAll(folder), [".", ".."])
        }
        Case("list.seeking-back-to-every-position", needs: .kernel) { t in
            for number in 0..<200 { try t.make("file-\(number)") }
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            var entries: [PlacedEntry] = []
            while true {
                let some = try FolderEntries.read(folder.number, size: 1024)
                if some.isEmpty { break }
                entries += some
            }
            for index in stride(from: 0, to: entries.count - 1, by: 17) {
                _ = try folder.seek(entries[index].position, SEEK_SET)
                let next = try FolderEntries.read(folder.number, size: 1024)
                try expectEqual(next.first?.entry.name, entries[index + 1].entry.name, "entry \(index + 1)")
            }
        }
        Case("list.position-is-what-lseek-says", needs: .kernel) { t in
            for number in 0..<200 { try t.make("file-\(number)") }
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            let some = try FolderEntries.read(folder.number, size: 512)
            try expectEqual(try folder.seek(0, SEEK_CUR), some.last!.position)
        }
        Case("list.positions-stay-good-while-entries-are-removed", needs: .kernel) { t in
            for number in 0..<200 { try t.make("file-\(number)") }
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            let first = try FolderEntries.read(folder.number, size: 2048)
            let seen = first.map(\.entry.name).filter { $0 != "." && $0 != ".." }
            for name in seen { try t.unlink(name) }
            _ = try folder.seek(first.last!.position, SEEK_SET)
            let rest = try readAll(folder)
            try expectEqual(Set(rest).union(seen.map(\.description)).subtracting([".", ".."]).count, 200)
            try expect(Set(rest).isDisjoint(with: seen.map(\.description)), "removed entries come again")
        }
        Case("list.removing-while-reading-removes-all", needs: .kernel) { t in
            // What rm -r does.
            for number in 0..<200 { try t.make("file-\(number)") }
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            while true {
                let some = try FolderEntries.read(folder.number, size: 1024)
                if some.isEmpty { break }
                for name in some.map(\.entry.name) where name != "." && name != ".." { try t.unlink(name) }
            }
            try expectEqual(try t.names(), [])
        }
        Case("list.creating-while-reading-ends-and-misses-nothing-old", needs: .kernel) { t in
            for number in 0..<200 { try t.make("old-\(number)") }
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            var seen: [String] = []
            var made = 0
            while true {
                let some = try FolderEntries.read(folder.number, size: 1024)
                if some.isEmpty { break }
                seen += some.map(\.entry.name.description)
                if made < 200 {
                    for number in made..<(made + 20) { try t.make("new-\(number)") }
                    made += 20
                }
            }
            let old = seen.filter { $0.hasPrefix("old-") }
            try expectEqual(old.count, 200)
            try expectEqual(Set(old).count, 200)
            try expectEqual(Set(seen).count, seen.count, "entries twice")
        }
        Case("list.renaming-while-reading-misses-no-other", needs: .kernel) { t in
            for number in 0..<100 { try t.make("stay-\(number)") }
            try t.make("move")
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            var seen: [String] = []
            var turn = 0
            while true {
                let some = try FolderEntries.read(folder.number, size: 512)
                if some.isEmpty { break }
                seen += some.map(\.entry.name.description)
                try t.rename(turn == 0 ? "move" : "move-\(turn)", "move-\(turn + 1)")
                turn += 1
            }
            let stayed = seen.filter { $0.hasPrefix("stay-") }
            try expectEqual(stayed.count, 100)
            try expectEqual(Set(stayed).count, 100)
        }
        Case("list.two-readers-don't-disturb-each-other", needs: .kernel) { t in
            for number in 0..<200 { try t.make("file-\(number)") }
            let (one, two) = (try t.open(".", O_RDONLY | O_DIRECTORY), try t.open(".", O_RDONLY | O_DIRECTORY))
            var (first, second): ([String], [String]) = ([], [])
            while true {
                let a = try FolderEntries.read(one.number, size: 512)
                let b = try FolderEntries.read(two.number, size: 777)
                if a.isEmpty && b.isEmpty { break }
                first += a.map(\.entry.name.description)
                second += b.map(\.entry.name.description)
            }
            try expectEqual(first.count, 202)
            try expectEqual(first.sorted(), second.sorted())
        }
        Case("list.descriptor-duplicated-shares-the-position", needs: .kernel) { t in
            for number in 0..<100 { try t.make("file-\(number)") }
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            let copy = try call(dup(folder.number))
            defer { close(copy) }
            var names: [String] = []
            var turn = 0
            while true {
                let some = try FolderEntries.read(turn % 2 == 0 ? folder.number : copy, size: 512)
                if some.isEmpty { break }
                names += some.map(\.entry.name.description)
                turn += 1
            }
            try expectEqual(names.count, 102)
            try expectEqual(Set(names).count, 102)
        }
        Case("list.of-file-is-refused", needs: .kernel) { t in
            let file = try t.create("f")
            try expectError(.notDirectory) { _ = try FolderEntries.read(file.number) }
        }
        Case("list.of-removed-folder-is-empty", needs: .kernel) { t in
            try t.mkdir("d")
            let folder = try t.open("d", O_RDONLY | O_DIRECTORY)
            try t.rmdir("d")
            try expectError(.noSuchFileOrDirectory) { _ = try FolderEntries.read(folder.number) }
        }
        Case("list.after-end-stays-at-the-end", needs: .kernel) { t in
            let folder = try t.open(".", O_RDONLY | O_DIRECTORY)
            _ = try readAll(folder)
            try expectEqual(try FolderEntries.read(folder.number).count, 0)
            try expectEqual(try FolderEntries.read(folder.number).count, 0)
        }
        Case("list.large-folder-shrunk-and-grown") { t in
            for round in 0..<3 {
                for number in 0..<100 { try t.make("r\(round)-\(number)") }
                try expectEqual(try t.names().count, 100)
                for number in 0..<100 { try t.unlink("r\(round)-\(number)") }
                try expectEqual(try t.names(), [])
            }
        }
    }

    /// The names from the position on, in order.
    private static func readAll(_ folder: File) throws -> [String] {
        var names: [String] = []
        while true {
            let some = try FolderEntries.read(folder.number)
            if some.isEmpty { return names.sorted() }
            names += some.map(\.entry.name.description)
        }
    }
}

extension Scene {
    /// All entries with "." and "..".
    fileprivate func listing(_ path: Path) throws -> [PlacedEntry] {
        let folder = try open(path, O_RDONLY | O_DIRECTORY)
        var entries: [PlacedEntry] = []
        while true {
            let some = try FolderEntries.read(folder.number)
            if some.isEmpty { return entries }
            entries += some
        }
    }
}
