import CKernel
import SystemPackage

/// What caches of names, attributes and contents get wrong.
extension Suite {
    @CaseList static var caching: [Case] {
        Case("cache.missing-name-then-made") { t in
            for number in 0..<20 {
                try expect(!(try t.exists("f\(number)")), "is there")
                try t.make("f\(number)", "text")
                try expectEqual(try t.text("f\(number)"), "text")
            }
        }
        Case("cache.missing-name-then-renamed-to-linked-to-or-exchanged") { t in
            for name in ["a", "b", "c", "d"] as [Path] { try expect(!(try t.exists(name)), "\(name) is there") }
            try t.make("x", "text")
            try t.rename("x", "a")
            try t.link("a", "b")
            try t.symlink("a", "c")
            try t.mkdir("d")
            for name in ["a", "b", "c", "d"] as [Path] { try expect(try t.exists(name), "\(name) is not there") }
            try expect(!(try t.exists("x")), "x is there")
        }
        Case("cache.removed-name-is-missing-at-once") { t in
            for _ in 0..<20 {
                try t.make("f")
                _ = try t.stat("f")
                try t.unlink("f")
                try expect(!(try t.exists("f")), "still there")
            }
        }
        Case("cache.name-goes-from-file-to-folder-to-link") { t in
            for _ in 0..<10 {
                try t.make("n")
                try expectEqual(try t.lstat("n").type, .regular)
                try t.unlink("n")
                try t.mkdir("n")
                try expectEqual(try t.lstat("n").type, .folder)
                try t.rmdir("n")
                try t.symlink("x", "n")
                try expectEqual(try t.lstat("n").type, .symlink)
                try t.unlink("n")
            }
        }
        Case("cache.symlink-replaced-shows-the-new-target") { t in
            try t.symlink("one", "s")
            try expectEqual(try t.readlink("s"), "one")
            try t.symlink("two", "new")
            try t.rename("new", "s")
            try expectEqual(try t.readlink("s"), "two")
        }
        Case("cache.links-after-rename-over") { t in
            try t.make("f", "old")
            try t.link("f", "second")
            try t.make("new", "new")
            _ = try (t.stat("f"), t.stat("second"))
            try t.rename("new", "f")
            try expectEqual(try t.stat("second").links, 1)
            try expectEqual(try t.stat("f").links, 1)
            try expectEqual(try t.text("second") + t.text("f"), "oldnew")
        }
        Case("cache.size-after-another-opener-appended", needs: .kernel) { t in
            let one = try t.create("f", "0123")
            try expectEqual(try one.size, 4)
            let two = try t.open("f", O_WRONLY | O_APPEND)
            for number in 5...20 {
                try expectEqual(try call(write(two.number, "x", 1)), 1)
                try expectEqual(try one.size, number)
                try expectEqual(try t.stat("f").size, number)
                try expectEqual(try one.seek(0, SEEK_END), number)
            }
        }
        Case("cache.rewritten-in-place-is-read-anew") { t in
            for number in 0..<20 {
                try t.open("f", O_RDWR | O_CREAT | O_TRUNC).write("content \(number)")
                try expectEqual(try t.text("f"), "content \(number)")
            }
        }
        Case("cache.replaced-file-of-equal-size-and-time-is-read-anew") { t in
            try t.make("f", "one")
            try t.utimens("f", FileTime(1), FileTime(1))
            try expectEqual(try t.text("f"), "one")
            try t.make("g", "two")
            try t.utimens("g", FileTime(1), FileTime(1))
            try t.rename("g", "f")
            try expectEqual(try t.text("f"), "two")
        }
        Case("cache.time-set-back-hides-nothing") { t in
            let file = try t.create("f", "one")
            let time = try t.stat("f").modified
            try expectEqual(try t.text("f"), "one")
            try file.write("two")
            try t.utimens("f", .omit, time)
            try expectEqual(try t.text("f"), "two")
        }
        Case("cache.change-time-after-link-and-unlink") { t in
            try t.make("f")
            try t.utimens("f", FileTime(1), FileTime(1))
            let first = try t.stat("f").changed
            try t.link("f", "g")
            let second = try t.stat("f").changed
            try t.unlink("g")
            let third = try t.stat("f").changed
            try expect(first <= second && second <= third, "\(first), \(second), \(third)")
            try expectEqual(try t.stat("f").links, 1)
        }
        Case("cache.inode-numbers-of-files-that-live-are-unique") { t in
            var inodes: Set<UInt64> = []
            for number in 0..<200 {
                try t.make("f\(number)")
                inodes.insert(try t.stat("f\(number)").inode)
            }
            try expectEqual(inodes.count, 200)
            for entry in try t.files.list(".") { try expect(inodes.contains(entry.inode), "\(entry.name)") }
        }
        Case("cache.made-and-removed-by-many-at-once", needs: .kernel) { t in
            _ = try t.together(4) { number in
                for round in 0..<50 {
                    let name = Path("f\(number)-\(round % 5)")
                    try t.make(name, "\(round)")
                    try expectEqual(try t.text(name), "\(round)")
                    try t.rename(name, "g\(number)")
                    try expectEqual(try t.text("g\(number)"), "\(round)")
                    try t.unlink("g\(number)")
                    try expect(!(try t.exists(name)), "still there")
                }
            }
            try expectEqual(try t.names(), [])
        }
        Case("cache.renamed-by-many-at-once-loses-no-file", needs: .kernel) { t in
            for number in 0..<4 { try t.make("f\(number)", "\(number)") }
            _ = try t.together(4) { number in
                for round in 0..<50 {
                    let (a, b) = (Path("f\((number + round) % 4)"), Path("f\((number + round * 3 + 1) % 4)"))
                    if a != b { try t.rename(a, b, UInt32(RENAME_EXCHANGE)) }
                }
            }
            try expectEqual(try t.names(), ["f0", "f1", "f2", "f3"])
            try expectEqual(try (0..<4).map { try t.text("f\($0)") }.sorted(), ["0", "1", "2", "3"])
        }
        Case("cache.folder-made-by-many-at-once-once", needs: .kernel) { t in
            for round in 0..<20 {
                let made = try t.together(4) { _ in
                    do throws(Errno) {
                        try t.mkdir("d\(round)")
                        return 1
                    } catch {
                        try expectEqual(error, .fileExists)
                        return 0
                    }
                }
                try expectEqual(made.reduce(0, +), 1)
            }
        }
        Case("cache.reader-sees-whole-old-or-whole-new", needs: .kernel) { t in
            try t.make("f", String(repeating: "a", count: 1000))
            _ = try t.together(2) { number in
                for round in 0..<100 {
                    if number == 0 {
                        try t.make("new", String(repeating: round % 2 == 0 ? "b" : "a", count: 1000))
                        try t.rename("new", "f")
                    } else {
                        let text = try t.text("f")
                        try expectEqual(text.count, 1000)
                        try expectEqual(Set(text).count, 1)
                    }
                }
            }
        }
    }
}
