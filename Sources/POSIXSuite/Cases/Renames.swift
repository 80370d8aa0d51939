import CKernel
import SystemPackage

/// rename(2) and RENAME_NOREPLACE.
extension Suite {
    @CaseList static var renames: [Case] {
        Case("rename.file") { t in
            let file = try t.create("a", "text")
            try t.rename("a", "b")
            try expectEqual(try t.names(), ["b"])
            try expectEqual(try t.text("b"), "text")
            try expectEqual(try t.stat("b").inode, try file.status.inode, "inode")
        }
        Case("rename.folder-with-what-is-in-it") { t in
            try t.mkdir("a")
            try t.make("a/f", "text")
            try t.rename("a", "b")
            try expectEqual(try t.text("b/f"), "text")
            try expectError(.noSuchFileOrDirectory) { _ = try t.text("a/f") }
        }
        Case("rename.symlink-itself") { t in
            try t.symlink("nowhere", "a")
            try t.rename("a", "b")
            try expectEqual(try t.readlink("b"), "nowhere")
        }
        Case("rename.special-files") { t in
            for (name, type) in [("fifo", mode_t.fifo), ("socket", .socket)] {
                try t.mknod(Path(name), type | 0o644)
                try t.rename(Path(name), "new-\(name)")
                try expectEqual(try t.lstat("new-\(name)").type, type)
            }
        }
        Case("rename.into-other-folder") { t in
            try t.mkdir("a")
            try t.mkdir("b")
            try t.make("a/f", "text")
            try t.rename("a/f", "b/g")
            try expectEqual(try t.names("a"), [])
            try expectEqual(try t.text("b/g"), "text")
        }
        Case("rename.folder-into-other-folder-moves-its-parent") { t in
            try t.mkdir("a")
            try t.mkdir("a/child")
            try t.mkdir("b")
            try t.rename("a/child", "b/child")
            try expectEqual(try t.stat("b/child/..").inode, try t.stat("b").inode, "..")
            try expectEqual(try t.stat("a").links, 2, "links of the old parent")
            try expectEqual(try t.stat("b").links, 3, "links of the new parent")
        }
        Case("rename.over-file") { t in
            try t.make("a", "new")
            try t.make("b", "old")
            try t.rename("a", "b")
            try expectEqual(try t.names(), ["b"])
            try expectEqual(try t.text("b"), "new")
        }
        Case("rename.over-open-file-leaves-it-readable") { t in
            try t.make("a", "new")
            let old = try t.create("b", "old")
            try t.rename("a", "b")
            try expectEqual(try old.text(), "old")
            try expectEqual(try old.status.links, 0, "links")
        }
        Case("rename.over-file-with-other-names-takes-one-link") { t in
            try t.make("a")
            try t.make("b", "old")
            try t.link("b", "c")
            try expectEqual(try t.stat("c").links, 2)
            try t.rename("a", "b")
            try expectEqual(try t.stat("c").links, 1)
            try expectEqual(try t.text("c"), "old")
        }
        Case("rename.over-empty-folder") { t in
            try t.mkdir("a")
            try t.make("a/f")
            try t.mkdir("b")
            try t.rename("a", "b")
            try expectEqual(try t.names("b"), ["f"])
        }
        Case("rename.over-full-folder-is-refused") { t in
            try t.mkdir("a")
            try t.mkdir("b")
            try t.make("b/f")
            try expectError(.directoryNotEmpty, .fileExists) { try t.rename("a", "b") }
            try expectEqual(try t.names(), ["a", "b"])
        }
        Case("rename.folder-over-file-is-refused") { t in
            try t.mkdir("a")
            try t.make("b")
            try expectError(.notDirectory) { try t.rename("a", "b") }
        }
        Case("rename.file-over-folder-is-refused") { t in
            try t.make("a")
            try t.mkdir("b")
            try expectError(.isDirectory) { try t.rename("a", "b") }
        }
        Case("rename.file-over-symlink-replaces-the-link") { t in
            try t.make("a", "new")
            try t.make("target", "old")
            try t.symlink("target", "b")
            try t.rename("a", "b")
            try expectEqual(try t.lstat("b").type, .regular)
            try expectEqual(try t.text("target"), "old")
        }
        Case("rename.symlink-over-file") { t in
            try t.symlink("target", "a")
            try t.make("b")
            try t.rename("a", "b")
            try expectEqual(try t.readlink("b"), "target")
        }
        Case("rename.into-own-child-is-refused") { t in
            try t.mkdir("a")
            try t.mkdir("a/b")
            try expectError(.invalidArgument) { try t.rename("a", "a/c") }
            try expectError(.invalidArgument) { try t.rename("a", "a/b") }
            try expectError(.invalidArgument) { try t.rename("a", "a/b/c") }
        }
        Case("rename.over-own-parent-is-refused") { t in
            try t.mkdir("a")
            try t.mkdir("a/b")
            try t.mkdir("a/b/c")
            try expectError(.directoryNotEmpty, .fileExists) { try t.rename("a/b/c", "a") }
            try expectError(.directoryNotEmpty, .fileExists) { try t.rename("a/b/c", "a/b") }
        }
        Case("rename.to-itself-does-nothing") { t in
            try t.make("a", "text")
            let before = try t.stat("a")
            try t.rename("a", "a")
            try expectEqual(try t.text("a"), "text")
            try expectEqual(try t.stat("a").changed, before.changed, "time of change")
        }
        Case("rename.to-another-name-of-the-same-file-does-nothing") { t in
            try t.make("a", "text")
            try t.link("a", "b")
            try t.rename("a", "b")
            try expectEqual(try t.names(), ["a", "b"])
            try expectEqual(try t.stat("a").links, 2)
        }
        Case("rename.missing-is-refused") { t in
            try expectError(.noSuchFileOrDirectory) { try t.rename("a", "b") }
            try t.make("b", "text")
            try expectError(.noSuchFileOrDirectory) { try t.rename("a", "b") }
            try expectEqual(try t.text("b"), "text")
        }
        Case("rename.into-missing-folder-is-refused") { t in
            try t.make("a")
            try expectError(.noSuchFileOrDirectory) { try t.rename("a", "no/b") }
            try expectError(.noSuchFileOrDirectory) { try t.rename("no/b", "a") }
        }
        Case("rename.through-file-is-refused") { t in
            try t.make("a")
            try t.make("file")
            try expectError(.notDirectory) { try t.rename("a", "file/b") }
            try expectError(.notDirectory) { try t.rename("file/b", "a") }
        }
        Case("rename.dot-and-dot-dot-are-refused") { t in
            try t.mkdir("a")
            try expectError(.resourceBusy, .invalidArgument) { try t.rename("a/.", "b") }
            try expectError(.resourceBusy, .invalidArgument, .directoryNotEmpty) { try t.rename("a/..", "b") }
            try expectError(.resourceBusy, .invalidArgument) { try t.rename("a", "a/.") }
        }
        Case("rename.trailing-slash-means-a-folder") { t in
            try t.mkdir("a")
            try t.rename("a/", "b/")
            try expectEqual(try t.names(), ["b"])
            try t.make("f")
            try expectError(.notDirectory) { try t.rename("f/", "g") }
            try expectError(.notDirectory) { try t.rename("f", "g/") }
        }
        Case("rename.no-replace-to-free-name") { t in
            try t.make("a", "text")
            try t.rename("a", "b", UInt32(RENAME_NOREPLACE))
            try expectEqual(try t.text("b"), "text")
        }
        Case("rename.no-replace-refuses-what-is-there") { t in
            try t.make("a", "one")
            try t.make("b", "two")
            try t.mkdir("d")
            try t.symlink("nowhere", "s")
            for target in ["a", "b", "d", "s"] as [Path] {
                try expectError(.fileExists) { try t.rename("a", target, UInt32(RENAME_NOREPLACE)) }
            }
            try expectEqual(try t.text("a"), "one")
            try expectEqual(try t.text("b"), "two")
        }
        Case("rename.no-replace-of-missing") { t in
            try expectError(.noSuchFileOrDirectory) { try t.rename("a", "b", UInt32(RENAME_NOREPLACE)) }
        }
        Case("rename.wrong-flags-are-refused") { t in
            try t.make("a")
            try t.make("b")
            try expectError(.invalidArgument) { try t.rename("a", "b", UInt32(RENAME_NOREPLACE | RENAME_EXCHANGE)) }
            try expectError(.invalidArgument) { try t.rename("a", "b", 1 << 20) }
        }
        Case("rename.changes-times-of-both-folders") { t in
            try t.mkdir("a")
            try t.mkdir("b")
            try t.make("a/f")
            try t.utimens("a", FileTime(1), FileTime(1))
            try t.utimens("b", FileTime(1), FileTime(1))
            try t.rename("a/f", "b/f")
            try expect(try t.stat("a").modified > FileTime(1), "old folder keeps its time of modification")
            try expect(try t.stat("b").modified > FileTime(1), "new folder keeps its time of modification")
        }
        Case("rename.keeps-time-of-modification") { t in
            try t.make("a")
            try t.utimens("a", FileTime(5, 6), FileTime(7, 8))
            try t.rename("a", "b")
            try expectEqual(try t.stat("b").modified, FileTime(7, 8))
        }
        Case("rename.open-file-goes-on-under-the-new-name") { t in
            let file = try t.create("a", "one")
            try t.rename("a", "b")
            try file.write("two")
            try expectEqual(try t.text("b"), "two")
        }
        Case("rename.open-folder-goes-on-under-the-new-name", needs: .kernel) { t in
            try t.mkdir("a")
            let folder = try t.open("a", O_RDONLY | O_DIRECTORY)
            try t.rename("a", "b")
            try openAndClose(folder.number, "f", O_CREAT | O_WRONLY)
            try expectEqual(try t.names("b"), ["f"])
        }
        Case("rename.replaced-many-times") { t in
            for number in 0..<50 {
                try t.make("new", "\(number)")
                try t.rename("new", "file")
                try expectEqual(try t.text("file"), "\(number)")
                try expectEqual(try t.stat("file").links, 1)
            }
            try expectEqual(try t.names(), ["file"])
        }
        Case("rename.old-name-can-be-used-again") { t in
            try t.make("a", "one")
            try t.rename("a", "b")
            try t.make("a", "two")
            try expectEqual(try t.text("a") + t.text("b"), "twoone")
            try expect(try t.stat("a").inode != t.stat("b").inode, "one inode")
        }
        Case("rename.to-another-file-system-is-refused", needs: .kernel) { t in
            try t.make("a")
            try expectError(.improperLink) {
                try call(renameat2(t.folder, "a", AT_FDCWD, "/proc/self/comm", 0))
            }
        }
        Case("rename.name-too-long") { t in
            try t.make("a")
            try expectError(.fileNameTooLong) { try t.rename("a", .repeating("x", 256)) }
            try t.rename("a", .repeating("x", 255))
            try expectEqual(try t.names(), [String(repeating: "x", count: 255)])
        }
    }
}
