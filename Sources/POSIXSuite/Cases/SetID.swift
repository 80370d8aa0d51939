import CKernel
import SystemPackage

/// Set-user-ID and set-group-ID: inherited by folders, and lost when a file changes.
extension Suite {
    @CaseList static var setID: [Case] {
        Case("setgid.folder-hands-down-its-group", needs: .users) { t in
            try t.mkdir("d")
            try t.chown("d", nil, User.team)
            try t.chmod("d", 0o2777)
            try t.as(.alice) { t in
                try t.make("d/f")
                try t.mkdir("d/e")
                try t.symlink("x", "d/s")
                try t.mknod("d/p", .fifo | 0o600)
            }
            for name in ["d/f", "d/e", "d/s", "d/p"] as [Path] {
                try expectEqual(try t.lstat(name).group, User.team, "group of \(name)")
                try expectEqual(try t.lstat(name).user, User.alice.id, "user of \(name)")
            }
        }
        Case("setgid.folder-hands-down-the-bit-to-folders-alone", needs: .users) { t in
            try t.mkdir("d")
            try t.chown("d", nil, User.team)
            try t.chmod("d", 0o2777)
            try t.as(.alice) { t in
                try t.mkdir("d/e", 0o755)
                try t.make("d/f", "", 0o755)
                try t.mkdir("d/e/g", 0o755)
            }
            try expectEqual(try t.stat("d/e").permissions, 0o2755)
            try expectEqual(try t.stat("d/e/g").permissions, 0o2755)
            try expectEqual(try t.stat("d/f").permissions, 0o755)
        }
        Case("setgid.folder-strips-the-bit-from-strangers'-files", needs: .users) { t in
            try t.mkdir("d")
            try t.chown("d", nil, User.team)
            try t.chmod("d", 0o2777)
            try t.as(.alice) { t in try t.make("d/f", "", 0o2775) }
            try expectEqual(try t.stat("d/f").permissions, 0o775)
            try t.as(.alice.with(User.team)) { t in try t.make("d/g", "", 0o2775) }
            try expectEqual(try t.stat("d/g").permissions, 0o2775)
        }
        Case("setgid.temporary-file-in-such-a-folder", needs: [.kernel, .users]) { t in
            try t.mkdir("d")
            try t.chown("d", nil, User.team)
            try t.chmod("d", 0o2777)
            try t.as(.alice) { t in
                try expectEqual(try t.open("d", O_RDWR | ck_o_tmpfile, 0o644).status.group, User.team)
            }
        }
        Case("setid.write-by-root-keeps-them", needs: .users) { t in
            let file = try t.create("f")
            try t.chmod("f", 0o6755)
            try file.write("text")
            try expectEqual(try t.stat("f").permissions, 0o6755)
        }
        Case("setid.write-by-owner-clears-both", needs: .users) { t in
            try t.openToAll()
            try t.as(.alice) { t in
                let file = try t.create("f")
                try t.chmod("f", 0o6755)
                try expectEqual(try t.stat("f").permissions, 0o6755)
                try file.write("text")
                try expectEqual(try t.stat("f").permissions, 0o755)
                try expectEqual(try file.status.permissions, 0o755)
            }
        }
        Case("setid.write-by-another-clears-both", needs: .users) { t in
            try t.make("f")
            try t.chmod("f", 0o6777)
            try t.as(.alice) { t in try t.open("f", O_WRONLY).write("text") }
            try expectEqual(try t.stat("f").permissions, 0o777)
        }
        Case("setid.write-keeps-the-group-bit-without-execution", needs: .users) { t in
            try t.make("f")
            try t.chmod("f", 0o2666)
            try t.as(.alice) { t in try t.open("f", O_WRONLY).write("text") }
            // Such a bit once meant mandatory locking; a member of the file's group keeps it, others lose it.
            try expect([0o2666, 0o666].contains(try t.stat("f").permissions), "\(try t.stat("f").permissions)")
        }
        Case("setid.given-again-and-cleared-again", needs: .users) { t in
            try t.make("f", "", 0o666)
            try t.as(.alice) { t in
                let file = try t.open("f", O_WRONLY)
                try file.write("one")
                try file.write("two")
            }
            for _ in 0..<3 {
                try t.chmod("f", 0o4777)
                try t.as(.alice) { t in try t.open("f", O_WRONLY).write("three") }
                try expectEqual(try t.stat("f").permissions, 0o777)
            }
        }
        Case("setid.truncate-by-another-clears-both", needs: .users) { t in
            try t.make("f", "text")
            try t.chmod("f", 0o6777)
            try t.as(.alice) { t in try t.truncate("f", 2) }
            try expectEqual(try t.stat("f").permissions, 0o777)
        }
        Case("setid.ftruncate-by-another-clears-both", needs: .users) { t in
            try t.make("f", "text")
            try t.chmod("f", 0o6777)
            try t.as(.alice) { t in try t.open("f", O_WRONLY).truncate(2) }
            try expectEqual(try t.stat("f").permissions, 0o777)
        }
        Case("setid.open-truncating-by-another-clears-both", needs: [.kernel, .users]) { t in
            try t.make("f", "text")
            try t.chmod("f", 0o6777)
            try t.as(.alice) { t in try t.open("f", O_WRONLY | O_TRUNC).close() }
            try expectEqual(try t.stat("f").permissions, 0o777)
        }
        Case("setid.allocation-by-another-clears-both", needs: .users) { t in
            try t.make("f", "text")
            try t.chmod("f", 0o6777)
            try t.as(.alice) { t in try t.open("f", O_WRONLY).allocate(0, 0, 8192) }
            try expectEqual(try t.stat("f").permissions, 0o777)
        }
        Case("setid.copy-by-another-clears-both", needs: .users) { t in
            try t.make("from", "text")
            try t.make("f", "text")
            try t.chmod("f", 0o6777)
            try t.as(.alice) { t in
                let from = try t.open("from", O_RDONLY)
                try expectEqual(try from.copy(4, to: try t.open("f", O_WRONLY)), 4)
            }
            try expectEqual(try t.stat("f").permissions, 0o777)
        }
        Case("setid.allocation-and-copy-by-root-keep-them", needs: .users) { t in
            let from = try t.create("from", "text")
            let file = try t.create("f", "text")
            try t.chmod("f", 0o6777)
            try file.allocate(0, 0, 8192)
            try expectEqual(try from.copy(4, to: file), 4)
            try expectEqual(try t.stat("f").permissions, 0o6777)
        }
        Case("setid.chown-by-root-clears-both-on-files", needs: .users) { t in
            try t.make("f")
            try t.chmod("f", 0o6755)
            try t.chown("f", User.alice.id, User.alice.group)
            try expectEqual(try t.stat("f").permissions, 0o755)
        }
        Case("setid.chown-by-root-keeps-the-group-bit-without-execution", needs: .users) { t in
            try t.make("f")
            try t.chmod("f", 0o2644)
            try t.chown("f", User.alice.id, User.alice.group)
            try expectEqual(try t.stat("f").permissions, 0o2644)
        }
        Case("setid.chown-keeps-them-on-folders", needs: .users) { t in
            try t.mkdir("d")
            try t.chmod("d", 0o6755)
            try t.chown("d", User.alice.id, User.alice.group)
            try expectEqual(try t.stat("d").permissions, 0o6755)
        }
        Case("setid.chgrp-by-owner-clears-both", needs: .users) { t in
            try t.openToAll()
            try t.as(.alice.with(User.team)) { t in
                try t.make("f")
                try t.chmod("f", 0o6755)
                try t.chown("f", nil, User.team)
                try expectEqual(try t.stat("f").permissions, 0o755)
            }
        }
        Case("setid.chmod-of-a-foreign-group-drops-setgid", needs: .users) { t in
            try t.make("f")
            try t.chown("f", User.alice.id, User.team)
            try t.as(.alice) { t in
                try t.chmod("f", 0o2755)
                try expectEqual(try t.stat("f").permissions, 0o755)
            }
            try t.as(.alice.with(User.team)) { t in
                try t.chmod("f", 0o2755)
                try expectEqual(try t.stat("f").permissions, 0o2755)
            }
        }
        Case("setid.reading-keeps-them", needs: .users) { t in
            try t.make("f", "text")
            try t.chmod("f", 0o6755)
            try t.as(.alice) { t in try expectEqual(try t.text("f"), "text") }
            try expectEqual(try t.stat("f").permissions, 0o6755)
        }
        Case("setid.mapped-write-keeps-them", needs: [.kernel, .users]) { t in
            // The kernel never learns of a store to memory: no Linux file system clears them there.
            try t.make("f", String(repeating: "x", count: 4096))
            try t.chmod("f", 0o6777)
            try t.as(.alice) { t in
                let file = try t.open("f")
                let mapping = try Mapping(file, 4096)
                mapping.bytes[0] = 1
                try mapping.sync()
            }
            try expectEqual(try t.stat("f").permissions, 0o6777)
        }
    }
}
