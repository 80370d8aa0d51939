import CKernel
import SystemPackage

/// RENAME_EXCHANGE and RENAME_WHITEOUT.
extension Suite {
    @CaseList static var exchanges: [Case] {
        Case("exchange.files") { t in
            try t.make("a", "one")
            try t.make("b", "two")
            let inodes = (try t.stat("a").inode, try t.stat("b").inode)
            try t.rename("a", "b", UInt32(RENAME_EXCHANGE))
            try expectEqual(try t.text("a"), "two")
            try expectEqual(try t.text("b"), "one")
            try expectEqual(try t.stat("a").inode, inodes.1)
            try expectEqual(try t.stat("b").inode, inodes.0)
        }
        Case("exchange.file-and-full-folder") { t in
            try t.make("a", "one")
            try t.mkdir("d")
            try t.make("d/f")
            try t.rename("a", "d", UInt32(RENAME_EXCHANGE))
            try expectEqual(try t.text("d"), "one")
            try expectEqual(try t.names("a"), ["f"])
        }
        Case("exchange.symlink-and-file") { t in
            try t.symlink("target", "s")
            try t.make("f", "text")
            try t.rename("s", "f", UInt32(RENAME_EXCHANGE))
            try expectEqual(try t.readlink("f"), "target")
            try expectEqual(try t.text("s"), "text")
        }
        Case("exchange.folders-of-two-folders-swap-parents") { t in
            try t.mkdir("a")
            try t.mkdir("b")
            try t.mkdir("a/x")
            try t.mkdir("b/y")
            try t.make("a/x/of-a")
            try t.rename("a/x", "b/y", UInt32(RENAME_EXCHANGE))
            try expectEqual(try t.names("b/y"), ["of-a"])
            try expectEqual(try t.stat("b/y/..").inode, try t.stat("b").inode)
            try expectEqual(try t.stat("a/x/..").inode, try t.stat("a").inode)
        }
        Case("exchange.file-and-folder-of-two-folders-moves-links") { t in
            try t.mkdir("a")
            try t.mkdir("b")
            try t.mkdir("a/x")
            try t.make("b/y")
            try t.rename("a/x", "b/y", UInt32(RENAME_EXCHANGE))
            try expectEqual(try t.stat("a").links, 2)
            try expectEqual(try t.stat("b").links, 3)
        }
        Case("exchange.with-missing-is-refused") { t in
            try t.make("a", "one")
            try expectError(.noSuchFileOrDirectory) { try t.rename("a", "b", UInt32(RENAME_EXCHANGE)) }
            try expectError(.noSuchFileOrDirectory) { try t.rename("b", "a", UInt32(RENAME_EXCHANGE)) }
            try expectEqual(try t.names(), ["a"])
        }
        Case("exchange.with-own-child-is-refused") { t in
            try t.mkdir("a")
            try t.mkdir("a/b")
            try expectError(.invalidArgument) { try t.rename("a", "a/b", UInt32(RENAME_EXCHANGE)) }
            try expectError(.invalidArgument) { try t.rename("a/b", "a", UInt32(RENAME_EXCHANGE)) }
        }
        Case("exchange.with-itself-does-nothing") { t in
            try t.make("a", "one")
            try t.rename("a", "a", UInt32(RENAME_EXCHANGE))
            try expectEqual(try t.text("a"), "one")
        }
        Case("exchange.open-files-keep-their-content") { t in
            let one = try t.create("a", "one")
            let two = try t.create("b", "two")
            try t.rename("a", "b", UInt32(RENAME_EXCHANGE))
            try one.write("ONE")
            try expectEqual(try t.text("b"), "ONE")
            try expectEqual(try two.text(), "two")
        }
        Case("exchange.back-and-forth") { t in
            try t.make("a", "one")
            try t.make("b", "two")
            for _ in 0..<20 {
                try t.rename("a", "b", UInt32(RENAME_EXCHANGE))
                try expectEqual(try t.text("a") + t.text("b"), "twoone")
                try t.rename("b", "a", UInt32(RENAME_EXCHANGE))
                try expectEqual(try t.text("a") + t.text("b"), "onetwo")
            }
        }
        Case("exchange.changes-times-of-change") { t in
            try t.make("a")
            try t.make("b")
            try t.utimens("a", FileTime(1), FileTime(1))
            try t.rename("a", "b", UInt32(RENAME_EXCHANGE))
            try expectEqual(try t.stat("b").modified, FileTime(1))
            try expect(try t.stat("b").changed > FileTime(1), "time of change")
        }
        Case("exchange.whiteout-leaves-a-device-node", needs: .users) { t in
            try t.make("a", "one")
            try t.rename("a", "b", UInt32(RENAME_WHITEOUT))
            try expectEqual(try t.text("b"), "one")
            let left = try t.lstat("a")
            try expectEqual(left.type, .characters)
            try expectEqual([left.node.major, left.node.minor], [0, 0])
        }
    }
}
