import CKernel
import SystemPackage

/// POSIX access control lists, as acl(5) and the kernel's extended attributes have them.
extension Suite {
    @CaseList static var accessLists: [Case] {
        Case("acl.lets-a-named-user-in", needs: [.root, .lists]) { t in
            try t.make("f", "text", 0o600)
            try t.set(.access, "f", AccessList(user: 6, named: [.user(User.alice.id, 6)], group: 0, mask: 6, other: 0))
            try t.as(.alice) { t in try expectEqual(try t.open("f", O_RDWR).text(), "text") }
            try t.as(.bob) { t in try expectError(.permissionDenied) { _ = try t.text("f") } }
        }
        Case("acl.keeps-a-named-user-out", needs: [.root, .lists]) { t in
            try t.make("f", "text", 0o644)
            try t.set(.access, "f", AccessList(user: 6, named: [.user(User.alice.id, 0)], group: 4, mask: 4, other: 4))
            try t.as(.alice) { t in try expectError(.permissionDenied) { _ = try t.text("f") } }
            try t.as(.bob) { t in try expectEqual(try t.text("f"), "text") }
        }
        Case("acl.named-group", needs: [.root, .lists]) { t in
            try t.make("f", "text", 0o600)
            try t.set(.access, "f", AccessList(user: 6, named: [.group(User.team, 4)], group: 0, mask: 4, other: 0))
            try t.as(.alice) { t in try expectError(.permissionDenied) { _ = try t.text("f") } }
            try t.as(.alice.with(User.team)) { t in try expectEqual(try t.text("f"), "text") }
        }
        Case("acl.mask-limits", needs: [.root, .lists]) { t in
            try t.make("f", "text", 0o600)
            try t.set(.access, "f", AccessList(user: 6, named: [.user(User.alice.id, 6)], group: 6, mask: 4, other: 0))
            try t.as(.alice) { t in
                try expectEqual(try t.text("f"), "text")
                try expectError(.permissionDenied) { _ = try t.open("f", O_WRONLY) }
            }
        }
        Case("acl.mode-shows-the-mask", needs: [.root, .lists]) { t in
            try t.make("f", "", 0o600)
            try t.set(.access, "f", AccessList(user: 6, named: [.user(User.alice.id, 7)], group: 4, mask: 7, other: 1))
            try expectEqual(try t.stat("f").permissions, 0o671)
        }
        Case("acl.chmod-changes-the-mask", needs: [.root, .lists]) { t in
            try t.make("f", "text", 0o600)
            try t.set(.access, "f", AccessList(user: 6, named: [.user(User.alice.id, 6)], group: 6, mask: 6, other: 0))
            try t.chmod("f", 0o600)
            try t.as(.alice) { t in try expectError(.permissionDenied) { _ = try t.text("f") } }
            let list = try t.list(.access, "f")
            try expectEqual(list.mask, 0)
            try expectEqual(list.group, 6)
        }
        Case("acl.that-says-no-more-than-a-mode", needs: [.root, .lists]) { t in
            try t.make("f", "", 0o600)
            try t.set(.access, "f", AccessList(user: 7, named: [], group: 5, mask: nil, other: 1))
            try expectEqual(try t.stat("f").permissions, 0o751)
            try expectError(.noData) { _ = try t.list(.access, "f") }
        }
        Case("acl.default-is-handed-down", needs: [.root, .lists]) { t in
            try t.mkdir("d")
            let list = AccessList(user: 7, named: [.user(User.alice.id, 7)], group: 5, mask: 7, other: 0)
            try t.set(.default, "d", list)
            try t.make("d/f", "text", 0o666)
            try t.mkdir("d/e", 0o777)
            try expectEqual(try t.list(.default, "d/e"), list)
            try expectEqual(try t.list(.access, "d/f").named, [.user(User.alice.id, 7)])
            try expectEqual(try t.stat("d/f").permissions, 0o660)
            try expectEqual(try t.stat("d/e").permissions, 0o770)
            try t.as(.alice) { t in try expectEqual(try t.open("d/f", O_RDWR).text(), "text") }
        }
        Case("acl.default-takes-the-umask's-place", needs: [.root, .lists]) { t in
            try t.mkdir("d")
            try t.set(.default, "d", AccessList(user: 7, named: [], group: 7, mask: nil, other: 7))
            try t.umask(0o077) { t in
                try t.make("d/f", "", 0o666)
                try t.mkdir("d/e", 0o777)
                try t.mknod("d/p", .fifo | 0o666)
            }
            try expectEqual(try t.stat("d/f").permissions, 0o666)
            try expectEqual(try t.stat("d/e").permissions, 0o777)
            try expectEqual(try t.stat("d/p").permissions, 0o666)
        }
        Case("acl.default-on-files-is-refused", needs: [.root, .lists]) { t in
            try t.make("f")
            try expectError(.permissionDenied, .notPermitted) {
                try t.set(.default, "f", AccessList(user: 7, named: [], group: 7, mask: nil, other: 7))
            }
        }
        Case("acl.wrong-list-is-refused", needs: [.root, .lists]) { t in
            try t.make("f")
            // A named user without a mask (acl(5)).
            try expectError(.invalidArgument) {
                try t.set(.access, "f", AccessList(user: 6, named: [.user(1, 6)], group: 6, mask: nil, other: 0))
            }
            try expectError(.invalidArgument, .notSupported) {
                try t.files.setxattr("f", "system.posix_acl_access", [1, 2, 3, 4, 5], 0)
            }
        }
        Case("acl.removed", needs: [.root, .lists]) { t in
            try t.make("f", "text", 0o600)
            try t.set(.access, "f", AccessList(user: 6, named: [.user(User.alice.id, 6)], group: 0, mask: 6, other: 0))
            try t.files.removexattr("f", "system.posix_acl_access")
            try t.as(.alice) { t in try expectError(.permissionDenied) { _ = try t.text("f") } }
            try expectError(.noData) { _ = try t.list(.access, "f") }
        }
        Case("acl.only-the-owner-sets", needs: [.root, .lists]) { t in
            try t.make("f", "", 0o666)
            try t.as(.alice) { t in
                try expectError(.notPermitted) {
                    try t.set(.access, "f", AccessList(user: 7, named: [], group: 7, mask: nil, other: 7))
                }
            }
        }
        Case("acl.not-on-symlinks", needs: [.root, .lists]) { t in
            try t.symlink("none", "s")
            try expectError(.notSupported) {
                try t.set(.access, "s", AccessList(user: 7, named: [], group: 7, mask: nil, other: 7))
            }
        }
        Case("acl.clears-setgid-for-strangers", needs: [.root, .lists]) { t in
            try t.make("f", "", 0o644)
            try t.chown("f", User.alice.id, User.team)
            try t.chmod("f", 0o2755)
            try t.as(.alice) { t in
                try t.set(.access, "f", AccessList(user: 7, named: [], group: 5, mask: nil, other: 5))
            }
            try expectEqual(try t.stat("f").permissions, 0o755)
        }
        Case("acl.change-is-seen-at-once", needs: [.root, .lists]) { t in
            try t.make("f", "text", 0o600)
            for _ in 0..<5 {
                try t.set(
                    .access, "f", AccessList(user: 6, named: [.user(User.alice.id, 4)], group: 0, mask: 4, other: 0))
                try t.as(.alice) { t in try expectEqual(try t.text("f"), "text") }
                try t.set(
                    .access, "f", AccessList(user: 6, named: [.user(User.alice.id, 0)], group: 0, mask: 4, other: 0))
                try t.as(.alice) { t in try expectError(.permissionDenied) { _ = try t.text("f") } }
            }
        }
    }
}

extension Scene {
    fileprivate enum ListKind: String {
        case access = "system.posix_acl_access"
        case `default` = "system.posix_acl_default"
    }

    fileprivate func set(_ kind: ListKind, _ path: Path, _ list: AccessList) throws(Errno) {
        try files.setxattr(path, Path(kind.rawValue), list.encoded, 0)
    }

    fileprivate func list(_ kind: ListKind, _ path: Path) throws -> AccessList {
        try AccessList(encoded: try files.getxattr(path, Path(kind.rawValue)))
    }
}
