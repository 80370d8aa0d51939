import CKernel
import SystemPackage

/// mkdir(2), and what a folder is.
extension Suite {
    @CaseList static var folders: [Case] {
        Case("mkdir.new") { t in
            try t.mkdir("d")
            let status = try t.stat("d")
            try expectEqual(status.type, .folder)
            try expectEqual(status.links, 2)
            try expectEqual(try t.names("d"), [])
        }
        Case("mkdir.mode-sweep") { t in
            for mode: mode_t in [0, 0o111, 0o400, 0o500, 0o644, 0o700, 0o711, 0o750, 0o755, 0o777] {
                try t.mkdir("d", mode)
                try expectEqual(try t.stat("d").permissions, mode)
                try t.rmdir("d")
            }
        }
        Case("mkdir.sticky-is-kept-setid-is-not") { t in
            try t.mkdir("d", 0o7755)
            try expectEqual(try t.stat("d").permissions & 0o7777, 0o1755)
        }
        Case("mkdir.over-what-is-there-is-refused") { t in
            try t.mkdir("d")
            try t.make("f")
            try t.symlink("none", "s")
            for name in ["d", "f", "s"] as [Path] { try expectError(.fileExists) { try t.mkdir(name) } }
        }
        Case("mkdir.in-missing-or-file-is-refused") { t in
            try t.make("f")
            try expectError(.noSuchFileOrDirectory) { try t.mkdir("no/d") }
            try expectError(.notDirectory) { try t.mkdir("f/d") }
        }
        Case("mkdir.trailing-slash") { t in
            try t.mkdir("d/")
            try expectEqual(try t.names(), ["d"])
            try expectError(.fileExists) { try t.mkdir("d/.") }
            try expectError(.fileExists) { try t.mkdir(".") }
            try expectError(.fileExists) { try t.mkdir("d/..") }
        }
        Case("mkdir.adds-a-link-and-changes-times-of-the-parent") { t in
            try t.mkdir("d")
            try t.utimens("d", FileTime(1), FileTime(1))
            try t.mkdir("d/e")
            try expectEqual(try t.stat("d").links, 3)
            try expect(try t.stat("d").modified > FileTime(1), "parent keeps its time of modification")
        }
        Case("mkdir.dot-and-dot-dot") { t in
            try t.mkdir("d")
            try expectEqual(try t.stat("d/.").inode, try t.stat("d").inode)
            try expectEqual(try t.stat("d/..").inode, try t.stat(".").inode)
        }
        Case("mkdir.can't-be-opened-for-writing") { t in
            try t.mkdir("d")
            try expectError(.isDirectory) { _ = try t.open("d", O_WRONLY) }
            try expectError(.isDirectory) { _ = try t.open("d", O_RDWR) }
        }
        Case("mkdir.can't-be-read-as-a-file") { t in
            try t.mkdir("d")
            let folder = try t.open("d", O_RDONLY)
            try expectError(.isDirectory) { _ = try folder.read(10) }
        }
        Case("mkdir.fsync-of-a-folder", needs: .kernel) { t in
            try t.mkdir("d")
            let folder = try t.open("d", O_RDONLY | O_DIRECTORY)
            try t.make("d/f")
            try folder.sync()
            try call(fdatasync(folder.number))
        }
        Case("mkdir.many-in-one") { t in
            for number in 0..<100 { try t.mkdir("d\(number)") }
            try expectEqual(try t.names().count, 100)
            try expectEqual(try t.stat(".").links, 102)
        }
        Case("mkdir.ELOOP-through-symlink-loop") { t in
            try t.symlink("loop", "loop")
            try expectError(.tooManySymbolicLinkLevels) { try t.mkdir("loop/d") }
        }
    }

    @CaseList static var names: [Case] {
        Case("name.of-255-bytes") { t in
            let name = Path.repeating("n", 255)
            try t.make(name, "text")
            try expectEqual(try t.text(name), "text")
            try expectEqual(try t.files.list(".").map(\.name), [name])
            try t.unlink(name)
        }
        Case("name.of-256-bytes-is-refused") { t in
            let name = Path.repeating("n", 256)
            try expectError(.fileNameTooLong) { try t.make(name) }
            try expectError(.fileNameTooLong) { try t.mkdir(name) }
            try expectError(.fileNameTooLong) { _ = try t.stat(name) }
            try expectError(.fileNameTooLong) { try t.symlink("x", name) }
            try expectError(.fileNameTooLong) { try t.mknod(name, .fifo | 0o600) }
            try expectError(.fileNameTooLong) { try t.unlink(name) }
            try expectError(.fileNameTooLong) { try t.rmdir(name) }
        }
        Case("name.every-byte-but-slash-and-zero") { t in
            for byte in UInt8(1)...255 where byte != UInt8(ascii: "/") {
                let name = Path([UInt8(ascii: "x"), byte])
                try t.make(name)
                try expect(try t.exists(name), "byte \(byte)")
            }
            let seen = Set(try t.files.list(".").map(\.name.bytes[1]))
            try expectEqual(seen.count, 254)
        }
        Case("name.of-one-byte-each") { t in
            for byte in UInt8(1)...255 where byte != UInt8(ascii: "/") && byte != UInt8(ascii: ".") {
                try t.mkdir(Path([byte]))
            }
            try expectEqual(try t.files.list(".").count, 253)
        }
        Case("name.not-utf-8") { t in
            for bytes: [UInt8] in [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80]] {
                try t.make(Path(bytes), "text")
                try expectEqual(try t.text(Path(bytes)), "text")
                try expectEqual(try t.files.list(".").map(\.name), [Path(bytes)])
                try t.unlink(Path(bytes))
            }
        }
        Case("name.newline-tab-and-spaces") { t in
            for name in ["\n", "a\nb", "\t", " ", "  x  ", "trailing ", "\u{7f}", "\\", "*", "?", "\"", "'"] {
                try t.make(Path(name), name)
                try expectEqual(try t.text(Path(name)), name)
            }
        }
        Case("name.case-matters") { t in
            try t.make("file", "lower")
            try t.make("FILE", "upper")
            try expectEqual(try t.text("file") + t.text("FILE"), "lowerupper")
        }
        Case("name.composed-and-decomposed-differ") { t in
            try t.make("\u{e4}", "composed")
            try t.make("a\u{308}", "decomposed")
            try expectEqual(try t.files.list(".").count, 2)
            try expectEqual(try t.text(Path([0xc3, 0xa4])), "composed")
            try expectEqual(try t.text(Path([0x61, 0xcc, 0x88])), "decomposed")
        }
        Case("name.dots-are-names-from-three-on") { t in
            for name in ["...", "....", ".hidden", "..x", "x.."] as [Path] {
                try t.make(name, "text")
                try expectEqual(try t.text(name), "text")
            }
            try expectEqual(try t.names().count, 5)
        }
        Case("name.like-those-of-other-systems") { t in
            for name in ["CON", "nul.txt", "a:b", "~", "-rf", "lost+found", ".fuse_hidden0001", "a\\b"] {
                try t.mkdir(Path(name))
            }
            try expectEqual(try t.names().count, 8)
        }
        Case("name.of-255-bytes-for-everything") { t in
            let (a, b) = (Path.repeating("a", 255), Path.repeating("b", 255))
            try t.mkdir(a)
            try t.make(a / a, "text")
            try t.link(a / a, a / b)
            try t.rename(a / b, b)
            try t.symlink(a, a / b)
            try expectEqual(try t.text(b), "text")
            try expectEqual(try t.readlink(a / b), a)
        }
    }

    @CaseList static var paths: [Case] {
        Case("path.empty-is-refused") { t in
            try expectError(.noSuchFileOrDirectory) { _ = try t.open("", O_RDONLY) }
            try expectError(.noSuchFileOrDirectory) { try t.mkdir("") }
            try expectError(.noSuchFileOrDirectory) { try t.unlink("") }
        }
        Case("path.of-4096-bytes-is-refused") { t in
            let path = Path(String(repeating: "./", count: 2048))
            try expectError(.fileNameTooLong) { _ = try t.stat(path) }
            try expectError(.fileNameTooLong) { try t.mkdir(path) }
        }
        Case("path.of-4095-bytes") { t in
            try t.make("f", "text")
            try expectEqual(try t.text(Path(String(repeating: "./", count: 2047) + "f")), "text")
        }
        Case("path.slashes-and-dots-in-between") { t in
            try t.mkdir("d")
            try t.make("d/f", "text")
            for path in ["d//f", "./d/./f", "d/../d/f", "d///.//f"] as [Path] {
                try expectEqual(try t.text(path), "text")
            }
        }
        Case("path.through-file-is-ENOTDIR") { t in
            try t.make("f")
            try t.mkdir("d")
            for path in ["f/x", "f/x/y"] as [Path] {
                try expectError(.notDirectory) { _ = try t.stat(path) }
                try expectError(.notDirectory) { _ = try t.open(path, O_RDONLY) }
                try expectError(.notDirectory) { _ = try t.open(path, O_RDWR | O_CREAT) }
                try expectError(.notDirectory) { try t.mkdir(path) }
                try expectError(.notDirectory) { try t.rmdir(path) }
                try expectError(.notDirectory) { try t.symlink("x", path) }
                try expectError(.notDirectory) { _ = try t.readlink(path) }
                try expectError(.notDirectory) { try t.chmod(path, 0o644) }
                try expectError(.notDirectory) { try t.mknod(path, .fifo | 0o600) }
            }
        }
        Case("path.trailing-slash-wants-a-folder") { t in
            try t.make("f")
            try t.mkdir("d")
            try expectEqual(try t.stat("d/").type, .folder)
            try expectError(.notDirectory) { _ = try t.stat("f/") }
            try expectError(.notDirectory) { _ = try t.open("f/", O_RDONLY) }
            try expectError(.isDirectory) { _ = try t.open("new/", O_RDWR | O_CREAT) }
        }
        Case("path.dot-dot-at-the-root-of-the-view") { t in
            // From inside, ".." of the case's folder is the folder above, and has it as an entry.
            let own = try t.stat(".").inode
            let entries = try t.files.list("..")
            try expect(entries.contains { $0.inode == own }, "the folder is not in its parent")
        }
        Case("path.through-missing-is-ENOENT") { t in
            for path in ["no/x", "no/x/y", "no/../x"] as [Path] {
                try expectError(.noSuchFileOrDirectory) { _ = try t.stat(path) }
                try expectError(.noSuchFileOrDirectory) { _ = try t.open(path, O_RDONLY) }
            }
        }
    }

    @CaseList static var deepTrees: [Case] {
        Case("deep.longer-than-any-path", needs: .kernel) { t in
            // 300 levels of 17 bytes each, step by step.
            var descriptors = [try call(dup(t.folder))]
            defer { descriptors.forEach { close($0) } }
            for _ in 0..<300 {
                try call(mkdirat(descriptors.last!, "level-of-16-char", 0o755))
                let next = try call(
                    ck_openat(descriptors.last!, "level-of-16-char", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0))
                descriptors.append(next)
                if descriptors.count > 10 { close(descriptors.removeFirst()) }
            }
            try openAndClose(descriptors.last!, "f", O_CREAT | O_WRONLY)
            _ = try readStatus(descriptors.last!, "f", 0)
        }
        Case("deep.parents-all-the-way-up") { t in
            var path = Path(".")
            for number in 0..<50 {
                path = path / "d\(number)"
                try t.mkdir(path)
            }
            let up = Path(path.bytes + Array(String(repeating: "/..", count: 50).utf8))
            try expectEqual(try t.stat(up).inode, try t.stat(".").inode)
        }
        Case("deep.moved-as-a-whole") { t in
            try t.mkdir("a")
            var path = Path("a")
            for _ in 0..<30 {
                path = path / "x"
                try t.mkdir(path)
            }
            try t.make(path / "f", "text")
            try t.mkdir("b")
            try t.rename("a", "b/a")
            try expectEqual(try t.text(Path("b") / path / "f"), "text")
        }
        Case("deep.working-folder-moved-under-our-feet", needs: .kernel) { t in
            try t.mkdir("a")
            try t.mkdir("a/b")
            try t.mkdir("c")
            let folder = try t.open("a/b", O_RDONLY | O_DIRECTORY)
            try call(fchdir(folder.number))
            try t.rename("a/b", "c/d")
            try openAndClose(AT_FDCWD, "f", O_CREAT | O_WRONLY)
            try expectEqual(try t.names("c/d"), ["f"])
            try expectEqual(try readStatus(AT_FDCWD, "..", 0).stx_ino, try t.stat("c").inode)
        }
        Case("deep.wide-and-deep-tree-is-all-there") { t in
            for first in 0..<5 {
                try t.mkdir("\(first)")
                for second in 0..<5 {
                    try t.mkdir("\(first)/\(second)")
                    for third in 0..<5 { try t.make("\(first)/\(second)/\(third)", "\(first)\(second)\(third)") }
                }
            }
            for first in 0..<5 {
                for second in 0..<5 {
                    try expectEqual(try t.names("\(first)/\(second)"), ["0", "1", "2", "3", "4"])
                    try expectEqual(try t.text("\(first)/\(second)/3"), "\(first)\(second)3")
                }
            }
        }
    }
}
