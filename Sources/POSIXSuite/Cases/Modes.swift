import CKernel
import SystemPackage

/// chmod(2), chown(2), umask(2), and what they do to set-user-ID and set-group-ID.
extension Suite {
    @CaseList static var modes: [Case] {
        Case("chmod.sweep-of-files") { t in
            try t.make("f")
            for mode: mode_t in stride(from: 0, through: 0o777, by: 7) {
                try t.chmod("f", mode)
                try expectEqual(try t.stat("f").permissions, mode)
                try expectEqual(try t.stat("f").type, .regular)
            }
        }
        Case("chmod.sweep-of-folders") { t in
            try t.mkdir("d")
            for mode: mode_t in stride(from: 0, through: 0o777, by: 9) {
                try t.chmod("d", mode)
                try expectEqual(try t.stat("d").permissions, mode)
            }
        }
        Case("chmod.set-id-and-sticky") { t in
            try t.make("f")
            try t.mkdir("d")
            for mode: mode_t in [0o4755, 0o2755, 0o1755, 0o6711, 0o7777, 0o4000, 0o2644] {
                try t.chmod("f", mode)
                try expectEqual(try t.stat("f").permissions, mode)
                try t.chmod("d", mode)
                try expectEqual(try t.stat("d").permissions, mode)
            }
        }
        Case("chmod.of-special-files") { t in
            for (name, type) in [("p", mode_t.fifo), ("s", .socket)] {
                try t.mknod(Path(name), type | 0o600)
                try t.chmod(Path(name), 0o641)
                try expectEqual(try t.stat(Path(name)).mode, type | 0o641)
            }
        }
        Case("chmod.missing-is-refused") { t in
            try expectError(.noSuchFileOrDirectory) { try t.chmod("a", 0o644) }
        }
        Case("chmod.changes-time-of-change-alone") { t in
            try t.make("f")
            try t.utimens("f", FileTime(1), FileTime(2))
            let before = try t.stat("f")
            try t.chmod("f", 0o600)
            let after = try t.stat("f")
            try expectEqual(after.modified, FileTime(2))
            try expectEqual(after.accessed, FileTime(1))
            try expect(after.changed >= before.changed, "time of change goes back")
        }
        Case("chmod.by-descriptor", needs: .kernel) { t in
            let file = try t.create("f")
            try call(fchmod(file.number, 0o4711))
            try expectEqual(try t.stat("f").permissions, 0o4711)
        }
        Case("chmod.through-symlink") { t in
            try t.make("f", "", 0o644)
            try t.symlink("f", "s")
            try t.chmod("s", 0o600)
            try expectEqual(try t.stat("f").permissions, 0o600)
            try expectEqual(try t.lstat("s").permissions, 0o777)
        }
        Case("chmod.open-descriptor-keeps-its-rights") { t in
            let file = try t.create("f", "text")
            try t.chmod("f", 0)
            try file.write("more", at: 4)
            try expectEqual(try file.text(), "textmore")
        }
        Case("chmod.create-mode-sweep") { t in
            for mode: mode_t in [0, 0o111, 0o222, 0o444, 0o600, 0o640, 0o644, 0o755, 0o777] {
                try t.make("f", "", mode)
                try expectEqual(try t.stat("f").permissions, mode)
                try t.unlink("f")
            }
        }
    }

    @CaseList static var owners: [Case] {
        Case("chown.user-and-group", needs: .root) { t in
            try t.make("f")
            try t.chown("f", 61_001, 61_002)
            try expectEqual(try t.stat("f").user, 61_001)
            try expectEqual(try t.stat("f").group, 61_002)
        }
        Case("chown.one-of-both", needs: .root) { t in
            try t.make("f")
            try t.chown("f", 61_001, 61_002)
            try t.chown("f", 61_003, nil)
            try expectEqual(try t.stat("f").group, 61_002)
            try t.chown("f", nil, 61_004)
            try expectEqual(try t.stat("f").user, 61_003)
            try expectEqual(try t.stat("f").group, 61_004)
        }
        Case("chown.neither-is-allowed") { t in
            try t.make("f")
            let before = try t.stat("f")
            try t.chown("f", nil, nil)
            try expectEqual(try t.stat("f").user, before.user)
        }
        Case("chown.of-every-kind", needs: .root) { t in
            try t.mkdir("d")
            try t.symlink("none", "s")
            try t.mknod("p", .fifo | 0o600)
            for name in ["d", "s", "p"] as [Path] {
                try t.chown(name, 61_001, 61_002)
                try expectEqual(try t.lstat(name).user, 61_001)
                try expectEqual(try t.lstat(name).group, 61_002)
            }
        }
        Case("chown.large-ids", needs: .root) { t in
            try t.make("f")
            try t.chown("f", 4_000_000_000, 4_294_967_294)
            try expectEqual(try t.stat("f").user, 4_000_000_000)
            try expectEqual(try t.stat("f").group, 4_294_967_294)
        }
        Case("chown.missing-is-refused", needs: .root) { t in
            try expectError(.noSuchFileOrDirectory) { try t.chown("f", 1, 1) }
        }
        Case("chown.by-descriptor", needs: [.kernel, .users]) { t in
            let file = try t.create("f")
            try call(fchown(file.number, 61_001, 61_002))
            try expectEqual(try t.stat("f").user, 61_001)
        }
        Case("chown.follows-symlinks-if-asked", needs: [.kernel, .users]) { t in
            try t.make("f")
            try t.symlink("f", "s")
            try call(fchownat(t.folder, "s", 61_001, 61_001, 0))
            try expectEqual(try t.stat("f").user, 61_001)
            try expectEqual(try t.lstat("s").user, 0)
        }
        Case("chown.giving-away-is-for-root", needs: .users) { t in
            try t.openToAll()
            try t.as(.alice) { t in
                try t.make("f")
                try expectError(.notPermitted) { try t.chown("f", User.bob.id, nil) }
                try expectError(.notPermitted) { try t.chown("f", nil, User.bob.group) }
            }
        }
        Case("chown.to-a-group-of-one's-own", needs: .users) { t in
            try t.openToAll()
            try t.as(.alice.with(User.team)) { t in
                try t.make("f")
                try t.chown("f", nil, User.team)
                try expectEqual(try t.stat("f").group, User.team)
                try t.chown("f", User.alice.id, User.alice.group)
            }
        }
        Case("chown.of-another's-file-is-refused", needs: .users) { t in
            try t.openToAll()
            try t.as(.alice) { t in try t.make("f", "", 0o666) }
            try t.as(.bob) { t in
                try expectError(.notPermitted) { try t.chown("f", nil, User.bob.group) }
                try expectError(.notPermitted) { try t.chown("f", User.bob.id, nil) }
                try expectError(.notPermitted) { try t.chmod("f", 0o777) }
            }
        }
        Case("chown.changes-time-of-change", needs: .root) { t in
            try t.make("f")
            try t.utimens("f", FileTime(1), FileTime(2))
            let before = try t.stat("f").changed
            try t.chown("f", 61_001, 61_001)
            let after = try t.stat("f")
            try expect(after.changed >= before, "time of change goes back")
            try expectEqual(after.modified, FileTime(2))
        }
        Case("chown.new-files-belong-to-their-maker", needs: .users) { t in
            try t.openToAll()
            try t.as(.alice) { t in
                try t.make("f")
                try t.mkdir("d")
                try t.symlink("x", "s")
                try t.mknod("p", .fifo | 0o600)
            }
            for name in ["f", "d", "s", "p"] as [Path] {
                let status = try t.lstat(name)
                try expectEqual(status.user, User.alice.id, "user of \(name)")
                try expectEqual(status.group, User.alice.group, "group of \(name)")
            }
        }
    }

    @CaseList static var umasks: [Case] {
        Case("umask.sweep") { t in
            for mask: mode_t in [0, 0o022, 0o027, 0o077, 0o777, 0o111, 0o002] {
                try t.umask(mask) { t in
                    try t.make("f", "", 0o666)
                    try t.mkdir("d", 0o777)
                    try t.mknod("p", .fifo | 0o666)
                }
                try expectEqual(try t.stat("f").permissions, 0o666 & ~mask)
                try expectEqual(try t.stat("d").permissions, 0o777 & ~mask)
                try expectEqual(try t.stat("p").permissions, 0o666 & ~mask)
                for name in ["f", "p"] as [Path] { try t.unlink(name) }
                try t.rmdir("d")
            }
        }
        Case("umask.does-not-touch-chmod") { t in
            try t.make("f")
            try t.umask(0o777) { t in try t.chmod("f", 0o755) }
            try expectEqual(try t.stat("f").permissions, 0o755)
        }
        Case("umask.of-set-id-bits") { t in
            try t.umask(0o022) { t in try t.make("f", "", 0o6777) }
            try expectEqual(try t.stat("f").permissions, 0o6755)
        }
        Case("umask.of-temporary-files", needs: .kernel) { t in
            try t.umask(0o027) { t in
                try expectEqual(try t.open(".", O_RDWR | ck_o_tmpfile, 0o666).status.permissions, 0o640)
            }
        }
        Case("umask.of-symlinks-is-nothing") { t in
            try t.umask(0o777) { t in try t.symlink("x", "s") }
            try expectEqual(try t.lstat("s").permissions, 0o777)
        }
        Case("umask.of-two-threads-differs", needs: .kernel) { t in
            _ = try t.together(2) { number in
                umask(number == 0 ? 0o077 : 0o002)
                for index in 0..<50 { try t.make("f\(number)-\(index)", "", 0o666) }
            }
            for index in 0..<50 {
                try expectEqual(try t.stat("f0-\(index)").permissions, 0o600)
                try expectEqual(try t.stat("f1-\(index)").permissions, 0o664)
            }
        }
    }
}

extension Scene {
    /// Lets everybody work in the case's folder.
    func openToAll(_ mode: mode_t = 0o777) throws(Errno) { try chmod(".", mode) }
}
