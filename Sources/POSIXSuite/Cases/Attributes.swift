import CKernel
import SystemPackage

/// Extended attributes.
extension Suite {
    @CaseList static var attributes: [Case] {
        Case("xattr.set-and-get", needs: .attributes) { t in
            try t.make("f")
            try t.files.setxattr("f", "user.a", Array("value".utf8), 0)
            try expectEqual(try t.files.getxattr("f", "user.a"), Array("value".utf8))
        }
        Case("xattr.on-folders", needs: .attributes) { t in
            try t.mkdir("d")
            try t.files.setxattr("d", "user.a", [1, 2, 3], 0)
            try expectEqual(try t.files.getxattr("d", "user.a"), [1, 2, 3])
        }
        Case("xattr.empty-value", needs: .attributes) { t in
            try t.make("f")
            try t.files.setxattr("f", "user.a", [], 0)
            try expectEqual(try t.files.getxattr("f", "user.a"), [])
            try expectEqual(try t.userNames("f"), ["user.a"])
        }
        Case("xattr.value-with-every-byte", needs: .attributes) { t in
            try t.make("f")
            let value = (0..<256).map { UInt8($0) }
            try t.files.setxattr("f", "user.a", value, 0)
            try expectEqual(try t.files.getxattr("f", "user.a"), value)
        }
        Case("xattr.missing-is-ENODATA", needs: .attributes) { t in
            try t.make("f")
            try expectError(.noData) { _ = try t.files.getxattr("f", "user.none") }
            try expectError(.noData) { try t.files.removexattr("f", "user.none") }
        }
        Case("xattr.create-refuses-what-is-there", needs: .attributes) { t in
            try t.make("f")
            try t.files.setxattr("f", "user.a", [1], Int32(XATTR_CREATE))
            try expectError(.fileExists) { try t.files.setxattr("f", "user.a", [2], Int32(XATTR_CREATE)) }
            try expectEqual(try t.files.getxattr("f", "user.a"), [1])
        }
        Case("xattr.replace-refuses-what-is-not", needs: .attributes) { t in
            try t.make("f")
            try expectError(.noData) { try t.files.setxattr("f", "user.a", [1], Int32(XATTR_REPLACE)) }
            try t.files.setxattr("f", "user.a", [1], 0)
            try t.files.setxattr("f", "user.a", [2, 3], Int32(XATTR_REPLACE))
            try expectEqual(try t.files.getxattr("f", "user.a"), [2, 3])
        }
        Case("xattr.list-and-remove", needs: .attributes) { t in
            try t.make("f")
            for number in 0..<10 { try t.files.setxattr("f", "user.n\(number)", [UInt8(number)], 0) }
            try expectEqual(try t.userNames("f"), (0..<10).map { "user.n\($0)" })
            for number in 0..<10 where number % 2 == 0 { try t.files.removexattr("f", "user.n\(number)") }
            try expectEqual(try t.userNames("f"), ["user.n1", "user.n3", "user.n5", "user.n7", "user.n9"])
        }
        Case("xattr.list-of-none", needs: .attributes) { t in
            try t.make("f")
            try expectEqual(try t.userNames("f"), [])
        }
        Case("xattr.sizes-asked-for-with-an-empty-buffer", needs: [.kernel, .attributes]) { t in
            let file = try t.create("f")
            try call(fsetxattr(file.number, "user.a", "12345", 5, 0))
            try expectEqual(try call(fgetxattr(file.number, "user.a", nil, 0)), 5)
            let size = try call(flistxattr(file.number, nil, 0))
            var names = [CChar](repeating: 0, count: size)
            try expectEqual(try call(flistxattr(file.number, &names, size)), size)
        }
        Case("xattr.buffer-too-small-is-ERANGE", needs: [.kernel, .attributes]) { t in
            let file = try t.create("f")
            try call(fsetxattr(file.number, "user.a", "12345", 5, 0))
            var value = [UInt8](repeating: 0, count: 4)
            try expectError(.outOfRange) { try call(fgetxattr(file.number, "user.a", &value, 4)) }
            var names = [CChar](repeating: 0, count: 3)
            try expectError(.outOfRange) { try call(flistxattr(file.number, &names, 3)) }
        }
        Case("xattr.name-of-255-bytes", needs: .attributes) { t in
            try t.make("f")
            let name = Path("user." + String(repeating: "n", count: 250))
            try t.files.setxattr("f", name, [1], 0)
            try expectEqual(try t.files.getxattr("f", name), [1])
        }
        Case("xattr.name-too-long-is-ERANGE", needs: .attributes) { t in
            try t.make("f")
            let name = Path("user." + String(repeating: "n", count: 251))
            try expectError(.outOfRange) { try t.files.setxattr("f", name, [1], 0) }
        }
        Case("xattr.value-of-2000-bytes", needs: .attributes) { t in
            try t.make("f")
            let value = (0..<2000).map { UInt8(truncatingIfNeeded: $0) }
            try t.files.setxattr("f", "user.a", value, 0)
            try expectEqual(try t.files.getxattr("f", "user.a"), value)
        }
        Case("xattr.value-too-big-is-refused", needs: .attributes) { t in
            try t.make("f")
            let value = [UInt8](repeating: 1, count: (64 << 10) + 1)
            try expectError(.argListTooLong) { try t.files.setxattr("f", "user.a", value, 0) }
        }
        Case("xattr.namespace-unknown-is-refused", needs: .attributes) { t in
            try t.make("f")
            try expectError(.notSupported) { try t.files.setxattr("f", "nonsense.a", [1], 0) }
        }
        Case("xattr.user-namespace-not-on-symlinks-and-fifos", needs: .attributes) { t in
            try t.symlink("none", "s")
            try t.mknod("p", .fifo | 0o600)
            for name in ["s", "p"] as [Path] {
                try expectError(.notPermitted) { try t.files.setxattr(name, "user.a", [1], 0) }
            }
        }
        Case("xattr.trusted-namespace-is-root's", needs: [.root, .attributes]) { t in
            try t.make("f", "", 0o666)
            try t.files.setxattr("f", "trusted.a", [1], 0)
            try expectEqual(try t.files.getxattr("f", "trusted.a"), [1])
            try t.as(.alice) { t in
                try expectError(.noData) { _ = try t.files.getxattr("f", "trusted.a") }
                try expectError(.notPermitted) { try t.files.setxattr("f", "trusted.b", [1], 0) }
            }
        }
        Case("xattr.permissions-are-the-file's", needs: [.root, .attributes]) { t in
            try t.make("f", "", 0o644)
            try t.files.setxattr("f", "user.a", [1], 0)
            try t.as(.alice) { t in
                try expectEqual(try t.files.getxattr("f", "user.a"), [1])
                try expectError(.permissionDenied) { try t.files.setxattr("f", "user.a", [2], 0) }
                try expectError(.permissionDenied) { try t.files.removexattr("f", "user.a") }
            }
            try t.chmod("f", 0o600)
            try t.as(.alice) { t in try expectError(.permissionDenied) { _ = try t.files.getxattr("f", "user.a") } }
        }
        Case("xattr.kept-by-rename-and-link", needs: .attributes) { t in
            try t.make("f")
            try t.files.setxattr("f", "user.a", [1], 0)
            try t.rename("f", "g")
            try t.link("g", "h")
            try expectEqual(try t.files.getxattr("h", "user.a"), [1])
            try t.files.setxattr("h", "user.a", [2], 0)
            try expectEqual(try t.files.getxattr("g", "user.a"), [2])
        }
        Case("xattr.by-descriptor", needs: [.kernel, .attributes]) { t in
            let file = try t.create("f")
            try call(fsetxattr(file.number, "user.a", "v", 1, 0))
            try expectEqual(try t.files.getxattr("f", "user.a"), Array("v".utf8))
            try call(fremovexattr(file.number, "user.a"))
            try expectError(.noData) { _ = try t.files.getxattr("f", "user.a") }
        }
        Case("xattr.capability-is-lost-by-writing", needs: [.root, .attributes]) { t in
            try t.make("f", "", 0o777)
            // struct vfs_cap_data, revision 2: CAP_NET_RAW permitted.
            let value: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            try t.files.setxattr("f", "security.capability", value, 0)
            try expectEqual(try t.files.getxattr("f", "security.capability"), value)
            try t.open("f").write("x")
            try expectError(.noData) { _ = try t.files.getxattr("f", "security.capability") }
        }
        Case("xattr.capability-is-lost-by-changing-owner", needs: [.root, .attributes]) { t in
            try t.make("f", "", 0o777)
            let value: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            try t.files.setxattr("f", "security.capability", value, 0)
            try t.chown("f", User.alice.id, nil)
            try expectError(.noData) { _ = try t.files.getxattr("f", "security.capability") }
        }
    }
}

extension Scene {
    fileprivate func userNames(_ path: Path) throws -> [String] {
        try files.listxattr(path).map(\.description).filter { $0.hasPrefix("user.") }.sorted()
    }
}
