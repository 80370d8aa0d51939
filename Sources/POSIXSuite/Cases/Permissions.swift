import CKernel
import SystemPackage

/// Who may do what: owner, group, others, and root.
extension Suite {
    @CaseList static var permissions: [Case] {
        Case("permission.owner-sweep", needs: .users) { t in
            try t.openToAll()
            try t.as(.alice) { t in try t.make("f", "text") }
            for bits: mode_t in 0...7 {
                try t.chmod("f", bits << 6 | 0o077)
                try t.as(.alice) { t in try expectAccess(t, "f", bits) }
            }
        }
        Case("permission.group-sweep", needs: .users) { t in
            try t.make("f", "text")
            try t.chown("f", User.bob.id, User.alice.group)
            for bits: mode_t in 0...7 {
                try t.chmod("f", bits << 3 | 0o707)
                try t.as(.alice) { t in try expectAccess(t, "f", bits) }
            }
        }
        Case("permission.supplementary-group-sweep", needs: .users) { t in
            try t.make("f", "text")
            try t.chown("f", User.bob.id, User.team)
            for bits: mode_t in 0...7 {
                try t.chmod("f", bits << 3 | 0o707)
                try t.as(.alice.with(61_200, User.team)) { t in try expectAccess(t, "f", bits) }
            }
        }
        Case("permission.others-sweep", needs: .users) { t in
            try t.make("f", "text")
            for bits: mode_t in 0...7 {
                try t.chmod("f", bits | 0o770)
                try t.as(.alice) { t in try expectAccess(t, "f", bits) }
            }
        }
        Case("permission.root-reads-and-writes-everything", needs: .users) { t in
            try t.make("f", "text", 0)
            try t.mkdir("d", 0)
            try t.make("d/f", "text", 0)
            try expectEqual(try t.open("d/f", O_RDWR).text(), "text")
            try expectEqual(try t.open("f", O_RDWR).text(), "text")
        }
        Case("permission.root-executes-only-what-anybody-may", needs: .users) { t in
            try t.make("f", "", 0o666)
            try expectError(.permissionDenied) { try t.access("f", X_OK) }
            try t.chmod("f", 0o001)
            try t.access("f", X_OK)
        }
        Case("permission.folder-without-search", needs: .users) { t in
            try t.mkdir("d", 0o666)
            try t.make("d/f", "text", 0o666)
            try t.as(.alice) { t in
                for path in ["d/f", "d/none"] as [Path] {
                    try expectError(.permissionDenied) { _ = try t.stat(path) }
                    try expectError(.permissionDenied) { _ = try t.open(path, O_RDONLY) }
                    try expectError(.permissionDenied) { try t.unlink(path) }
                    try expectError(.permissionDenied) { try t.mkdir(path) }
                }
                try expectEqual(try t.names("d"), ["f"])
            }
        }
        Case("permission.folder-without-reading", needs: .users) { t in
            try t.mkdir("d", 0o711)
            try t.make("d/f", "text")
            try t.as(.alice) { t in
                try expectError(.permissionDenied) { _ = try t.names("d") }
                try expectEqual(try t.text("d/f"), "text")
            }
        }
        Case("permission.folder-without-writing", needs: .users) { t in
            try t.mkdir("d", 0o755)
            try t.make("d/f", "text", 0o666)
            try t.make("g")
            try t.openToAll()
            try t.as(.alice) { t in
                try expectError(.permissionDenied) { try t.make("d/new") }
                try expectError(.permissionDenied) { try t.mkdir("d/new") }
                try expectError(.permissionDenied) { try t.symlink("x", "d/new") }
                try expectError(.permissionDenied) { try t.mknod("d/new", .fifo | 0o600) }
                try expectError(.permissionDenied) { try t.unlink("d/f") }
                try expectError(.permissionDenied) { try t.rename("d/f", "d/g") }
                try expectError(.permissionDenied) { try t.rename("g", "d/g") }
                try expectError(.permissionDenied) { try t.rename("d/f", "h") }
                try t.open("d/f", O_WRONLY).write("TEXT")
            }
            try expectEqual(try t.text("d/f"), "TEXT")
        }
        Case("permission.link-into-folder-without-writing", needs: .users) { t in
            try t.openToAll()
            try t.mkdir("d", 0o755)
            try t.as(.alice) { t in
                try t.make("f")
                try expectError(.permissionDenied) { try t.link("f", "d/f") }
            }
        }
        Case("permission.truncating-needs-writing", needs: .users) { t in
            try t.make("f", "text", 0o644)
            try t.as(.alice) { t in
                try expectError(.permissionDenied) { try t.truncate("f", 0) }
                try expectError(.permissionDenied) { _ = try t.open("f", O_WRONLY | O_TRUNC) }
                try expectError(.permissionDenied) { _ = try t.open("f", O_RDONLY | O_TRUNC) }
            }
            try expectEqual(try t.text("f"), "text")
        }
        Case("permission.existing-file-opened-with-create", needs: .users) { t in
            try t.openToAll()
            try t.make("f", "text", 0o644)
            try t.as(.alice) { t in
                try expectError(.permissionDenied) { _ = try t.open("f", O_RDWR | O_CREAT) }
                try expectEqual(try t.open("f", O_RDONLY | O_CREAT).text(), "text")
            }
        }
        Case("permission.change-is-seen-at-once", needs: .users) { t in
            try t.make("f", "text", 0o600)
            for _ in 0..<10 {
                try t.as(.alice) { t in try expectError(.permissionDenied) { _ = try t.text("f") } }
                try t.chmod("f", 0o644)
                try t.as(.alice) { t in try expectEqual(try t.text("f"), "text") }
                try t.chmod("f", 0o600)
            }
        }
        Case("permission.folder-closed-after-walking-through", needs: .users) { t in
            try t.mkdir("d", 0o755)
            try t.make("d/f", "text")
            try t.as(.alice) { t in try expectEqual(try t.text("d/f"), "text") }
            try t.chmod("d", 0o700)
            try t.as(.alice) { t in try expectError(.permissionDenied) { _ = try t.text("d/f") } }
        }
        Case("permission.open-file-survives-loss-of-rights", needs: .users) { t in
            try t.openToAll()
            try t.as(.alice) { t in
                try t.make("f", "text", 0o644)
                let file = try t.open("f", O_RDWR)
                try t.chmod("f", 0)
                try expectError(.permissionDenied) { _ = try t.text("f") }
                try file.write("TEXT")
                try expectEqual(try file.text(), "TEXT")
            }
        }
        Case("permission.owner-without-bits-may-change-them", needs: .users) { t in
            try t.openToAll()
            try t.as(.alice) { t in
                try t.make("f", "text", 0)
                try expectError(.permissionDenied) { _ = try t.text("f") }
                try t.chmod("f", 0o400)
                try expectEqual(try t.text("f"), "text")
            }
        }
        Case("permission.access-asks-for-real-ids", needs: [.kernel, .users]) { t in
            try t.make("f", "", 0o600)
            try CaseThread.run {
                try call(ck_setresuid(User.alice.id, 0, 0))
                try expectError(.permissionDenied) { try t.access("f", R_OK) }
                try call(faccessat(t.folder, "f", R_OK, AT_EACCESS))
            }
        }
        Case("permission.access-of-folders", needs: .users) { t in
            try t.mkdir("d", 0o750)
            try t.as(.alice) { t in
                try expectError(.permissionDenied) { try t.access("d", X_OK) }
                try t.access("d", F_OK)
            }
            try t.chmod("d", 0o751)
            try t.as(.alice) { t in try t.access("d", X_OK) }
        }
        Case("permission.mkdir-and-rmdir-by-others", needs: .users) { t in
            try t.mkdir("d", 0o777)
            try t.as(.alice) { t in
                try t.mkdir("d/mine")
                try t.make("d/mine/f")
            }
            try t.as(.bob) { t in
                try expectError(.permissionDenied) { try t.unlink("d/mine/f") }
                try expectError(.directoryNotEmpty) { try t.rmdir("d/mine") }
            }
            try t.as(.alice) { t in try t.unlink("d/mine/f") }
            try t.as(.bob) { t in try t.rmdir("d/mine") }
        }
        Case("permission.rename-folder-of-another-between-folders", needs: .users) { t in
            // The folder's ".." changes, so its own write bit counts.
            try t.mkdir("a", 0o777)
            try t.mkdir("b", 0o777)
            try t.mkdir("a/d", 0o755)
            try t.as(.alice) { t in
                try t.rename("a/d", "a/e")
                try expectError(.permissionDenied) { try t.rename("a/e", "b/e") }
            }
        }
        Case("permission.mknod-of-devices-is-for-root", needs: .users) { t in
            try t.openToAll()
            try t.as(.alice) { t in
                try expectError(.notPermitted) { try t.mknod("c", .characters | 0o600, (1, 3)) }
                try expectError(.notPermitted) { try t.mknod("b", .blocks | 0o600, (7, 0)) }
                try t.mknod("p", .fifo | 0o600)
            }
        }
        Case("permission.no-access-time-flag-is-for-the-owner", needs: .users) { t in
            try t.make("f", "text", 0o666)
            try t.as(.alice) { t in try expectError(.notPermitted) { _ = try t.open("f", O_RDONLY | O_NOATIME) } }
        }
        Case("permission.effective-capabilities-count", needs: [.kernel, .users]) { t in
            try t.make("f", "text", 0)
            try CaseThread.run {
                var data = [__user_cap_data_struct](repeating: .init(), count: 2)
                try call(ck_capget(&data))
                data[0].effective &= ~UInt32(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH)
                try call(ck_capset(data))
                try expectError(.permissionDenied) { _ = try t.text("f") }
            }
        }
    }

    @CaseList static var sticky: [Case] {
        Case("sticky.only-owners-remove", needs: .users) { t in
            try t.mkdir("d")
            try t.chmod("d", 0o1777)
            try t.as(.alice) { t in try t.make("d/f", "", 0o666) }
            try t.as(.bob) { t in
                try expectError(.notPermitted, .permissionDenied) { try t.unlink("d/f") }
                try expectError(.notPermitted, .permissionDenied) { try t.rename("d/f", "d/g") }
            }
            try t.as(.alice) { t in try t.rename("d/f", "d/g") }
            try t.as(.alice) { t in try t.unlink("d/g") }
        }
        Case("sticky.rename-over-another's-is-refused", needs: .users) { t in
            try t.mkdir("d")
            try t.chmod("d", 0o1777)
            try t.as(.alice) { t in try t.make("d/f") }
            try t.as(.bob) { t in
                try t.make("d/g")
                try expectError(.notPermitted, .permissionDenied) { try t.rename("d/g", "d/f") }
                try expectError(.notPermitted, .permissionDenied) {
                    try t.rename("d/g", "d/f", UInt32(RENAME_EXCHANGE))
                }
            }
        }
        Case("sticky.folder's-owner-removes-all", needs: .users) { t in
            try t.mkdir("d")
            try t.chown("d", User.alice.id, User.alice.group)
            try t.chmod("d", 0o1777)
            try t.as(.bob) { t in try t.make("d/f") }
            try t.as(.alice) { t in try t.unlink("d/f") }
        }
        Case("sticky.root-removes-all", needs: .users) { t in
            try t.mkdir("d")
            try t.chown("d", User.alice.id, User.alice.group)
            try t.chmod("d", 0o1777)
            try t.as(.bob) { t in try t.make("d/f") }
            try t.unlink("d/f")
        }
        Case("sticky.folders-of-others-stay", needs: .users) { t in
            try t.mkdir("d")
            try t.chmod("d", 0o1777)
            try t.as(.alice) { t in try t.mkdir("d/e", 0o777) }
            try t.as(.bob) { t in
                try expectError(.notPermitted, .permissionDenied) { try t.rmdir("d/e") }
                try expectError(.notPermitted, .permissionDenied) { try t.rename("d/e", "d/x") }
            }
        }
        Case("sticky.on-files-is-for-their-owner", needs: [.kernel, .users]) { t in
            try t.openToAll()
            try t.as(.alice) { t in
                try t.make("f")
                try t.chmod("f", 0o1644)
                try expectEqual(try t.stat("f").permissions, 0o1644)
            }
        }
    }

    private static func expectAccess(_ t: Scene, _ path: Path, _ bits: mode_t) throws {
        for (bit, flags, wanted) in [(4, O_RDONLY, R_OK), (2, O_WRONLY, W_OK), (6, O_RDWR, R_OK | W_OK)] {
            if Int(bits) & bit == bit {
                try t.open(path, flags).close()
                try t.access(path, wanted)
            } else {
                try expectError(.permissionDenied) { _ = try t.open(path, flags) }
                try expectError(.permissionDenied) {
                    try t.access(path, wanted)
                }
            }
        }
    }
}
