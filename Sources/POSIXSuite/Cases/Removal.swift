import CKernel
import SystemPackage

/// unlink(2) and rmdir(2).
extension Suite {
    @CaseList static var removal: [Case] {
        Case("unlink.file") { t in
            try t.make("a")
            try t.unlink("a")
            try expectEqual(try t.names(), [])
            try expectError(.noSuchFileOrDirectory) { _ = try t.stat("a") }
        }
        Case("unlink.any-kind-but-folders") { t in
            try t.symlink("none", "s")
            try t.mknod("f", .fifo | 0o600)
            try t.mknod("k", .socket | 0o600)
            for name in ["s", "f", "k"] as [Path] { try t.unlink(name) }
            try expectEqual(try t.names(), [])
        }
        Case("unlink.folder-is-refused") { t in
            try t.mkdir("d")
            try expectError(.isDirectory, .notPermitted) { try t.unlink("d") }
        }
        Case("unlink.missing-is-refused") { t in
            try expectError(.noSuchFileOrDirectory) { try t.unlink("a") }
            try expectError(.noSuchFileOrDirectory) { try t.unlink("no/a") }
        }
        Case("unlink.twice-is-refused") { t in
            try t.make("a")
            try t.unlink("a")
            try expectError(.noSuchFileOrDirectory) { try t.unlink("a") }
        }
        Case("unlink.through-file-is-refused") { t in
            try t.make("a")
            try expectError(.notDirectory) { try t.unlink("a/b") }
        }
        Case("unlink.trailing-slash-is-refused") { t in
            try t.make("a")
            try expectError(.notDirectory) { try t.unlink("a/") }
        }
        Case("unlink.changes-folder-times-and-links-time") { t in
            try t.mkdir("d")
            try t.make("d/a")
            try t.link("d/a", "b")
            try t.utimens("d", FileTime(1), FileTime(1))
            let before = try t.stat("b").changed
            try t.unlink("d/a")
            try expect(try t.stat("d").modified > FileTime(1), "folder keeps its time of modification")
            try expect(try t.stat("b").changed >= before, "time of change goes back")
        }
        Case("unlink.name-can-be-used-again-for-a-folder") { t in
            try t.make("a")
            try t.unlink("a")
            try t.mkdir("a")
            try expectEqual(try t.stat("a").type, .folder)
            try t.rmdir("a")
            try t.make("a", "text")
            try expectEqual(try t.text("a"), "text")
        }
        Case("rmdir.empty") { t in
            try t.mkdir("d")
            try t.rmdir("d")
            try expectEqual(try t.names(), [])
        }
        Case("rmdir.full-is-refused") { t in
            try t.mkdir("d")
            try t.make("d/f")
            try expectError(.directoryNotEmpty, .fileExists) { try t.rmdir("d") }
            try t.unlink("d/f")
            try t.rmdir("d")
        }
        Case("rmdir.of-file-is-refused") { t in
            try t.make("f")
            try expectError(.notDirectory) { try t.rmdir("f") }
        }
        Case("rmdir.missing-is-refused") { t in
            try expectError(.noSuchFileOrDirectory) { try t.rmdir("d") }
        }
        Case("rmdir.dot-is-refused") { t in
            try t.mkdir("d")
            try expectError(.invalidArgument) { try t.rmdir("d/.") }
            try t.mkdir("d/e")
            try expectError(.directoryNotEmpty, .fileExists) { try t.rmdir("d/e/..") }
        }
        Case("rmdir.trailing-slash") { t in
            try t.mkdir("d")
            try t.rmdir("d/")
            try expectEqual(try t.names(), [])
        }
        Case("rmdir.takes-a-link-from-the-parent") { t in
            try t.mkdir("d")
            try t.mkdir("d/e")
            try expectEqual(try t.stat("d").links, 3)
            try t.rmdir("d/e")
            try expectEqual(try t.stat("d").links, 2)
        }
        Case("rmdir.open-folder-is-empty-and-takes-nothing", needs: .kernel) { t in
            try t.mkdir("d")
            let folder = try t.open("d", O_RDONLY | O_DIRECTORY)
            try t.rmdir("d")
            try expectError(.noSuchFileOrDirectory) { try openAndClose(folder.number, "f", O_CREAT | O_WRONLY) }
            try expectError(.noSuchFileOrDirectory) { try call(mkdirat(folder.number, "e", 0o755)) }
            try expectEqual(try folder.status.links, 0)
        }
        Case("rmdir.working-folder", needs: .kernel) { t in
            try t.mkdir("d")
            let folder = try t.open("d", O_RDONLY | O_DIRECTORY)
            try call(fchdir(folder.number))
            try t.rmdir("d")
            try expectError(.noSuchFileOrDirectory) { try openAndClose(AT_FDCWD, "f", O_CREAT | O_WRONLY) }
            var path = [CChar](repeating: 0, count: 4096)
            try expect(getcwd(&path, path.count) == nil, "the working folder has a path")
        }
        Case("rmdir.many-levels") { t in
            var path = Path("d")
            try t.mkdir(path)
            var paths = [path]
            for _ in 0..<20 {
                path = path / "d"
                try t.mkdir(path)
                paths.append(path)
            }
            for path in paths.reversed() { try t.rmdir(path) }
            try expectEqual(try t.names(), [])
        }
    }

    /// Files that are open and have no name.
    @CaseList static var unlinked: [Case] {
        Case("unlinked.is-read-and-written") { t in
            let file = try t.create("a", "text")
            try t.unlink("a")
            try file.write("more", at: 4)
            try expectEqual(try file.text(), "textmore")
            try expectEqual(try file.size, 8)
            try expectEqual(try file.status.links, 0)
        }
        Case("unlinked.attributes-can-change", needs: .kernel) { t in
            let file = try t.create("a")
            try t.unlink("a")
            try call(fchmod(file.number, 0o600))
            let times = [FileTime(5, 6).timespec, FileTime(7, 8).timespec]
            try call(futimens(file.number, times))
            let status = try file.status
            try expectEqual(status.permissions, 0o600)
            try expectEqual(status.modified, FileTime(7, 8))
            try expectEqual(status.accessed, FileTime(5, 6))
        }
        Case("unlinked.can-be-truncated-and-grown") { t in
            let file = try t.create("a", "0123456789")
            try t.unlink("a")
            try file.truncate(3)
            try file.truncate(5)
            try expectEqual(try file.read(10), [0x30, 0x31, 0x32, 0, 0])
        }
        Case("unlinked.name-taken-by-another-file") { t in
            let old = try t.create("a", "old")
            try t.unlink("a")
            let new = try t.create("a", "new")
            try old.write("OLD")
            try expectEqual(try new.text(), "new")
            try expectEqual(try old.text(), "OLD")
            try expectEqual(try t.text("a"), "new")
        }
        Case("unlinked.opened-again-by-proc", needs: .kernel) { t in
            let file = try t.create("a", "text")
            try t.unlink("a")
            let path = "/proc/thread-self/fd/\(file.number)"
            let again = try call(ck_openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0))
            defer { close(again) }
            try expectEqual(try call(pwrite64(again, "T", 1, 0)), 1)
            try expectEqual(try file.text(), "Text")
        }
        Case("unlinked.is-synced") { t in
            let file = try t.create("a", "text")
            try t.unlink("a")
            try file.sync()
            try expectEqual(try file.text(), "text")
        }
        Case("unlinked.two-opens-share-it") { t in
            let one = try t.create("a", "text")
            let two = try t.open("a")
            try t.unlink("a")
            try one.write("TEXT")
            one.close()
            try expectEqual(try two.text(), "TEXT")
        }
        Case("unlinked.leaves-no-name-behind") { t in
            let file = try t.create("a", "text")
            try t.unlink("a")
            // libfuse's high level would show .fuse_hidden… here.
            try expectEqual(try t.names(), [])
            file.close()
            try expectEqual(try t.names(), [])
        }
        Case("unlinked.folder-can-be-removed-meanwhile") { t in
            try t.mkdir("d")
            let file = try t.create("d/a", "text")
            try t.unlink("d/a")
            try t.rmdir("d")
            try expectEqual(try file.text(), "text")
        }
        Case("unlinked.attributes-extended", needs: [.kernel, .attributes]) { t in
            let file = try t.create("a")
            try t.unlink("a")
            try call(fsetxattr(file.number, "user.a", "v", 1, 0))
            var value: [UInt8] = [0, 0]
            try expectEqual(try call(fgetxattr(file.number, "user.a", &value, 2)), 1)
        }
        Case("unlinked.renamed-over-then-closed") { t in
            try t.make("new", "new")
            let old = try t.create("f", "old")
            try t.rename("new", "f")
            try expectEqual(try old.text(), "old")
            old.close()
            try expectEqual(try t.text("f"), "new")
        }
    }
}
