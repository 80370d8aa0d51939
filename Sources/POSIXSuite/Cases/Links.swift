import CKernel
import SystemPackage

/// link(2).
extension Suite {
    @CaseList static var links: [Case] {
        Case("link.second-name") { t in
            try t.make("a", "text")
            try t.link("a", "b")
            try expectEqual(try t.text("b"), "text")
            try expectEqual(try t.stat("a").inode, try t.stat("b").inode)
            try expectEqual(try t.stat("a").links, 2)
            try expectEqual(try t.stat("b").links, 2)
        }
        Case("link.written-through-one-read-through-the-other") { t in
            let a = try t.create("a")
            try t.link("a", "b")
            let b = try t.open("b")
            try a.write("from a")
            try expectEqual(try b.text(), "from a")
            try b.write("FROM")
            try expectEqual(try a.text(), "FROM a")
            try b.truncate(2)
            try expectEqual(try a.size, 2)
        }
        Case("link.size-seen-through-both-names") { t in
            let a = try t.create("a", "x")
            try t.link("a", "b")
            _ = try t.stat("b")
            try a.write("longer now", at: 0)
            try expectEqual(try t.stat("b").size, 10)
        }
        Case("link.mode-seen-through-both-names") { t in
            try t.make("a")
            try t.link("a", "b")
            _ = try t.stat("b")
            try t.chmod("a", 0o640)
            try expectEqual(try t.stat("b").permissions, 0o640)
        }
        Case("link.removing-one-leaves-the-other") { t in
            try t.make("a", "text")
            try t.link("a", "b")
            try t.unlink("a")
            try expectEqual(try t.text("b"), "text")
            try expectEqual(try t.stat("b").links, 1)
        }
        Case("link.over-what-is-there-is-refused") { t in
            try t.make("a")
            try t.make("b")
            try t.mkdir("d")
            try t.symlink("nowhere", "s")
            for target in ["a", "b", "d", "s"] as [Path] { try expectError(.fileExists) { try t.link("a", target) } }
        }
        Case("link.of-missing-is-refused") { t in
            try expectError(.noSuchFileOrDirectory) { try t.link("a", "b") }
        }
        Case("link.of-folder-is-refused") { t in
            try t.mkdir("a")
            try expectError(.notPermitted) { try t.link("a", "b") }
        }
        Case("link.of-symlink-is-the-symlink") { t in
            try t.make("target")
            try t.symlink("target", "a")
            try t.link("a", "b")
            try expectEqual(try t.readlink("b"), "target")
            try expectEqual(try t.lstat("a").links, 2)
            try expectEqual(try t.stat("target").links, 1)
        }
        Case("link.following-a-symlink", needs: .kernel) { t in
            try t.make("target", "text")
            try t.symlink("target", "a")
            try call(linkat(t.folder, "a", t.folder, "b", AT_SYMLINK_FOLLOW))
            try expectEqual(try t.lstat("b").type, .regular)
            try expectEqual(try t.stat("target").links, 2)
        }
        Case("link.of-fifo") { t in
            try t.mknod("a", .fifo | 0o600)
            try t.link("a", "b")
            try expectEqual(try t.lstat("b").type, .fifo)
            try expectEqual(try t.lstat("b").links, 2)
        }
        Case("link.into-other-folder") { t in
            try t.mkdir("d")
            try t.make("a", "text")
            try t.link("a", "d/b")
            try t.unlink("a")
            try expectEqual(try t.text("d/b"), "text")
        }
        Case("link.into-missing-folder-is-refused") { t in
            try t.make("a")
            try expectError(.noSuchFileOrDirectory) { try t.link("a", "no/b") }
            try expectError(.notDirectory) { try t.link("a", "a/b") }
        }
        Case("link.many-names") { t in
            try t.make("f", "text")
            for number in 0..<100 { try t.link("f", "n\(number)") }
            try expectEqual(try t.stat("f").links, 101)
            for number in 0..<100 { try t.unlink("n\(number)") }
            try expectEqual(try t.stat("f").links, 1)
        }
        Case("link.changes-time-of-change-and-folder") { t in
            try t.make("a")
            try t.mkdir("d")
            try t.utimens("d", FileTime(1), FileTime(1))
            try t.utimens("a", FileTime(1), FileTime(1))
            let before = try t.stat("a").changed
            try t.link("a", "d/b")
            let after = try t.stat("a")
            try expectEqual(after.modified, FileTime(1))
            try expect(after.changed >= before, "time of change goes back")
            try expect(try t.stat("d").modified > FileTime(1), "folder keeps its time of modification")
        }
        Case("link.name-too-long") { t in
            try t.make("a")
            try expectError(.fileNameTooLong) { try t.link("a", .repeating("x", 256)) }
        }
        Case("link.trailing-slash-is-refused") { t in
            try t.make("a")
            try expectError(.notDirectory) { try t.link("a/", "b") }
            try expectError(.noSuchFileOrDirectory) { try t.link("a", "b/") }
        }
        Case("link.to-another-file-system-is-refused", needs: .kernel) { t in
            try expectError(.improperLink) {
                try call(linkat(AT_FDCWD, "/proc/self/comm", t.folder, "a", 0))
            }
        }
        Case("link.of-open-file-by-proc", needs: .kernel) { t in
            let file = try t.create("a", "text")
            let path = "/proc/thread-self/fd/\(file.number)"
            try call(linkat(AT_FDCWD, path, t.folder, "b", AT_SYMLINK_FOLLOW))
            try expectEqual(try t.text("b"), "text")
        }
        Case("link.of-open-file-by-descriptor", needs: [.kernel, .users]) { t in
            let file = try t.create("a", "text")
            try call(linkat(file.number, "", t.folder, "b", AT_EMPTY_PATH))
            try expectEqual(try t.stat("b").inode, try file.status.inode)
        }
        Case("link.of-unlinked-file-is-refused", needs: .kernel) { t in
            let file = try t.create("a", "text")
            try t.unlink("a")
            try expectError(.noSuchFileOrDirectory) {
                let path = "/proc/thread-self/fd/\(file.number)"
                try call(linkat(AT_FDCWD, path, t.folder, "b", AT_SYMLINK_FOLLOW))
            }
        }
    }

    @CaseList static var symbolicLinks: [Case] {
        Case("symlink.target-is-kept-as-it-is") { t in
            for (name, target) in [("a", "b"), ("c", "../x//y/./"), ("d", "/abs/olute"), ("e", "ü\n")] {
                try t.symlink(Path(target), Path(name))
                try expectEqual(try t.readlink(Path(name)), Path(target))
            }
        }
        Case("symlink.target-of-4095-bytes") { t in
            let target = Path.repeating("t", 4095)
            try t.symlink(target, "a")
            try expectEqual(try t.readlink("a").bytes.count, 4095)
            try expectEqual(try t.readlink("a"), target)
        }
        Case("symlink.target-of-60-and-61-bytes") { t in
            // ext4 keeps up to 59 bytes in the inode.
            for count in 58...62 {
                try t.symlink(.repeating("t", count), "s\(count)")
                try expectEqual(try t.readlink("s\(count)").bytes.count, count)
            }
        }
        Case("symlink.target-too-long") { t in
            try expectError(.fileNameTooLong) { try t.symlink(.repeating("t", 4096), "a") }
        }
        Case("symlink.empty-target-is-refused") { t in
            try expectError(.noSuchFileOrDirectory) { try t.symlink("", "a") }
        }
        Case("symlink.size-is-the-target's") { t in
            try t.symlink("target", "a")
            let status = try t.lstat("a")
            try expectEqual(status.size, 6)
            try expectEqual(status.type, .symlink)
            try expectEqual(status.permissions, 0o777)
        }
        Case("symlink.over-what-is-there-is-refused") { t in
            try t.make("f")
            try t.mkdir("d")
            try t.symlink("x", "s")
            for name in ["f", "d", "s"] as [Path] { try expectError(.fileExists) { try t.symlink("y", name) } }
        }
        Case("symlink.not-utf-8") { t in
            let target = Path([0xff, 0xfe, 0x80, 0x41])
            try t.symlink(target, "a")
            try expectEqual(try t.readlink("a"), target)
        }
        Case("symlink.readlink-of-others-is-refused") { t in
            try t.make("f")
            try t.mkdir("d")
            try expectError(.invalidArgument) { _ = try t.readlink("f") }
            try expectError(.invalidArgument) { _ = try t.readlink("d") }
            try expectError(.noSuchFileOrDirectory) { _ = try t.readlink("none") }
        }
        Case("symlink.readlink-into-small-buffer-is-cut", needs: .kernel) { t in
            try t.symlink("target", "a")
            var buffer = [CChar](repeating: 0, count: 3)
            try expectEqual(try call(readlinkat(t.folder, "a", &buffer, 3)), 3)
            try expectEqual(buffer.map { UInt8(bitPattern: $0) }, Array("tar".utf8))
        }
        Case("symlink.is-followed") { t in
            try t.make("f", "text")
            try t.symlink("f", "a")
            try t.symlink("a", "b")
            try expectEqual(try t.text("b"), "text")
            try expectEqual(try t.stat("b").inode, try t.stat("f").inode)
        }
        Case("symlink.of-folder-is-walked-through") { t in
            try t.mkdir("d")
            try t.make("d/f", "text")
            try t.symlink("d", "s")
            try expectEqual(try t.text("s/f"), "text")
            try t.make("s/g")
            try expectEqual(try t.names("d"), ["f", "g"])
        }
        Case("symlink.dangling", needs: .kernel) { t in
            try t.symlink("none", "a")
            try expectError(.noSuchFileOrDirectory) { _ = try t.stat("a") }
            try expectError(.noSuchFileOrDirectory) { _ = try t.open("a", O_RDONLY) }
            try t.open("a", O_WRONLY | O_CREAT).close()
            try expectEqual(try t.names(), ["a", "none"])
        }
        Case("symlink.loop") { t in
            try t.symlink("b", "a")
            try t.symlink("a", "b")
            try expectError(.tooManySymbolicLinkLevels) { _ = try t.stat("a") }
            try expectError(.tooManySymbolicLinkLevels) { _ = try t.open("b/x", O_RDONLY) }
            try t.symlink("self", "self")
            try expectError(.tooManySymbolicLinkLevels) { _ = try t.stat("self") }
        }
        Case("symlink.forty-are-followed-forty-one-are-not") { t in
            try t.make("s0", "text")
            for number in 1...41 { try t.symlink("s\(number - 1)", "s\(number)") }
            try expectEqual(try t.text("s40"), "text")
            try expectError(.tooManySymbolicLinkLevels) { _ = try t.text("s41") }
        }
        Case("symlink.unlink-leaves-the-target") { t in
            try t.make("f")
            try t.symlink("f", "a")
            try t.unlink("a")
            try expectEqual(try t.names(), ["f"])
        }
        Case("symlink.rmdir-is-refused") { t in
            try t.mkdir("d")
            try t.symlink("d", "s")
            try expectError(.notDirectory) { try t.rmdir("s") }
        }
        Case("symlink.no-follow") { t in
            try t.make("f")
            try t.symlink("f", "a")
            try expectError(.tooManySymbolicLinkLevels) { _ = try t.open("a", O_RDONLY | O_NOFOLLOW) }
            try expectError(.notDirectory) { _ = try t.open("a", O_RDONLY | O_NOFOLLOW | O_DIRECTORY) }
        }
        Case("symlink.with-O_PATH-is-the-link-itself", needs: .kernel) { t in
            try t.symlink("target", "a")
            let link = try t.open("a", O_PATH | O_NOFOLLOW)
            try expectEqual(try link.status.type, .symlink)
            var buffer = [CChar](repeating: 0, count: 100)
            try expectEqual(try call(readlinkat(link.number, "", &buffer, 100)), 6)
        }
        Case("symlink.trailing-slash-follows") { t in
            try t.mkdir("d")
            try t.symlink("d", "s")
            try expectEqual(try t.lstat("s/").type, .folder)
            try t.make("f")
            try t.symlink("f", "sf")
            try expectError(.notDirectory) { _ = try t.lstat("sf/") }
        }
        Case("symlink.times-of-its-own") { t in
            try t.symlink("none", "a")
            try t.utimens("a", FileTime(100, 1), FileTime(200, 2), follow: false)
            let status = try t.lstat("a")
            try expectEqual(status.modified, FileTime(200, 2))
            try expectEqual(status.accessed, FileTime(100, 1))
        }
        Case("symlink.owner-of-its-own", needs: .root) { t in
            try t.make("f")
            try t.symlink("f", "a")
            try t.chown("a", 61_001, 61_002)
            try expectEqual(try t.lstat("a").user, 61_001)
            try expectEqual(try t.lstat("a").group, 61_002)
            try expectEqual(try t.stat("f").user, 0)
        }
        Case("symlink.dot-dot-leads-to-the-target's-parent") { t in
            try t.mkdir("x")
            try t.mkdir("x/y")
            try t.make("x/f", "text")
            try t.symlink("x/y", "s")
            try expectEqual(try t.text("s/../f"), "text")
        }
    }
}
