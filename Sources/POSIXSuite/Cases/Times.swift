import CKernel
import SystemPackage

/// utimensat(2), and which times which call changes.
extension Suite {
    @CaseList static var times: [Case] {
        Case("time.nanoseconds") { t in
            try t.make("f")
            for nanoseconds in [0, 1, 999, 1000, 123_456_789, 999_999_999] {
                let time = FileTime(1_000_000_000, nanoseconds)
                try t.utimens("f", time, time)
                try expectEqual(try t.stat("f").modified, time)
                try expectEqual(try t.stat("f").accessed, time)
            }
        }
        Case("time.before-1970") { t in
            try t.make("f")
            for seconds in [-1, -2, -86_400, -1_000_000_000, -2_147_483_647] {
                try t.utimens("f", FileTime(seconds), FileTime(seconds, 500_000_000))
                try expectEqual(try t.stat("f").accessed, FileTime(seconds))
                try expectEqual(try t.stat("f").modified, FileTime(seconds, 500_000_000))
            }
        }
        Case("time.1970-itself") { t in
            try t.make("f")
            try t.utimens("f", FileTime(0), FileTime(0))
            try expectEqual(try t.stat("f").modified, FileTime(0))
            try expectEqual(try t.stat("f").accessed, FileTime(0))
        }
        Case("time.after-2038") { t in
            try t.make("f")
            for seconds in [2_147_483_647, 2_147_483_648, 4_294_967_296, 10_000_000_000] {
                try t.utimens("f", FileTime(seconds, 1), FileTime(seconds, 2))
                try expectEqual(try t.stat("f").modified, FileTime(seconds, 2))
            }
        }
        Case("time.omit-one") { t in
            try t.make("f")
            try t.utimens("f", FileTime(1, 2), FileTime(3, 4))
            try t.utimens("f", .omit, FileTime(5, 6))
            try expectEqual(try t.stat("f").accessed, FileTime(1, 2))
            try expectEqual(try t.stat("f").modified, FileTime(5, 6))
            try t.utimens("f", FileTime(7, 8), .omit)
            try expectEqual(try t.stat("f").accessed, FileTime(7, 8))
            try expectEqual(try t.stat("f").modified, FileTime(5, 6))
        }
        Case("time.omit-both-changes-nothing") { t in
            try t.make("f")
            let before = try t.stat("f")
            try t.utimens("f", .omit, .omit)
            let after = try t.stat("f")
            try expectEqual(after.modified, before.modified)
            try expectEqual(after.changed, before.changed)
        }
        Case("time.now") { t in
            try t.make("f")
            try t.utimens("f", FileTime(1), FileTime(1))
            let changed = try t.stat("f").changed
            try t.utimens("f", .now, .now)
            let status = try t.stat("f")
            try expect(status.modified >= changed, "time of modification \(status.modified) is before \(changed)")
            try expect(status.accessed >= changed, "time of access")
            try expect(status.modified.seconds - changed.seconds < 300, "far from now")
        }
        Case("time.now-and-given") { t in
            try t.make("f")
            try t.utimens("f", FileTime(1, 5), .now)
            try expectEqual(try t.stat("f").accessed, FileTime(1, 5))
            try expect(try t.stat("f").modified > FileTime(1_000_000), "time of modification")
            try t.utimens("f", .now, FileTime(2, 5))
            try expectEqual(try t.stat("f").modified, FileTime(2, 5))
        }
        Case("time.of-every-kind") { t in
            try t.mkdir("d")
            try t.mknod("p", .fifo | 0o600)
            try t.mknod("s", .socket | 0o600)
            try t.symlink("x", "l")
            for name in ["d", "p", "s", "l"] as [Path] {
                try t.utimens(name, FileTime(10, 1), FileTime(20, 2), follow: false)
                try expectEqual(try t.lstat(name).modified, FileTime(20, 2), "\(name)")
                try expectEqual(try t.lstat(name).accessed, FileTime(10, 1), "\(name)")
            }
        }
        Case("time.wrong-nanoseconds-are-refused") { t in
            try t.make("f")
            for nanoseconds in [-1, 1_000_000_000] {
                try expectError(.invalidArgument) { try t.utimens("f", FileTime(1, nanoseconds), FileTime(1)) }
            }
        }
        Case("time.missing-is-refused") { t in
            try expectError(.noSuchFileOrDirectory) { try t.utimens("f", FileTime(1), FileTime(1)) }
        }
        Case("time.by-descriptor", needs: .kernel) { t in
            let file = try t.create("f")
            try call(futimens(file.number, [FileTime(11, 12).timespec, FileTime(13, 14).timespec]))
            try expectEqual(try t.stat("f").modified, FileTime(13, 14))
        }
        Case("time.through-symlink") { t in
            try t.make("f")
            try t.symlink("f", "s")
            try t.utimens("s", FileTime(11), FileTime(12))
            try expectEqual(try t.stat("f").modified, FileTime(12))
        }
        Case("time.given-ones-are-for-the-owner", needs: .users) { t in
            try t.make("f", "", 0o666)
            try t.as(.alice) { t in
                try expectError(.notPermitted) { try t.utimens("f", FileTime(1), FileTime(1)) }
                try t.utimens("f", .now, .now)
            }
            try t.chmod("f", 0o644)
            try t.as(.alice) { t in try expectError(.permissionDenied) { try t.utimens("f", .now, .now) } }
        }
        Case("time.one-now-one-omitted-is-for-the-owner", needs: .users) { t in
            try t.make("f", "", 0o666)
            try t.as(.alice) { t in try expectError(.notPermitted) { try t.utimens("f", .now, .omit) } }
        }
        Case("time.set-while-open-for-writing-stays") { t in
            let file = try t.create("f", "text")
            try file.write("more", at: 4)
            try t.utimens("f", FileTime(100, 5), FileTime(200, 6))
            try expectEqual(try file.status.modified, FileTime(200, 6))
            file.close()
            try expectEqual(try t.stat("f").modified, FileTime(200, 6))
        }
        Case("time.birth-is-there-and-stays", needs: .kernel) { t in
            let before = try t.birth(of: ".")
            try t.make("f")
            let born = try t.birth(of: "f")
            try t.utimens("f", FileTime(1), FileTime(1))
            try t.open("f").write("text")
            try expectEqual(try t.birth(of: "f"), born)
            try expectEqual(born == nil, before == nil)
        }
    }

    @CaseList static var timeUpdates: [Case] {
        Case("times.write-changes-modification-and-change") { t in
            let file = try t.create("f", "text")
            try t.utimens("f", FileTime(1), FileTime(1))
            let before = try t.stat("f").changed
            try file.write("x")
            let after = try t.stat("f")
            try expect(after.modified > FileTime(1), "time of modification stays")
            try expect(after.changed >= before, "time of change goes back")
            try expectEqual(after.accessed, FileTime(1))
        }
        Case("times.truncation-changes-them") { t in
            let file = try t.create("f", "text")
            for size in [2, 10] {
                try t.utimens("f", FileTime(1), FileTime(1))
                try file.truncate(size)
                try expect(try t.stat("f").modified > FileTime(1), "to \(size)")
            }
        }
        Case("times.allocation-changes-change") { t in
            let file = try t.create("f")
            try t.utimens("f", FileTime(1), FileTime(1))
            let before = try t.stat("f").changed
            try file.allocate(0, 0, 10_000)
            try expect(try t.stat("f").changed >= before, "time of change goes back")
        }
        Case("times.write-of-nothing-changes-nothing") { t in
            let file = try t.create("f", "text")
            try t.utimens("f", FileTime(1), FileTime(1))
            try expectEqual(try file.write([UInt8]()), 0)
            try expectEqual(try t.stat("f").modified, FileTime(1))
        }
        Case("times.stat-changes-nothing") { t in
            try t.make("f", "text")
            let before = try t.stat("f")
            for _ in 0..<10 { _ = try t.stat("f") }
            let after = try t.stat("f")
            try expectEqual(after.changed, before.changed)
            try expectEqual(after.modified, before.modified)
            try expectEqual(after.accessed, before.accessed)
        }
        Case("times.creating-changes-the-folder") { t in
            try t.mkdir("d")
            for (name, make) in [
                ("file", { try t.make("d/file") }), ("folder", { try t.mkdir("d/folder") }),
                ("symlink", { try t.symlink("x", "d/symlink") }), ("fifo", { try t.mknod("d/fifo", .fifo | 0o600) }),
            ] as [(String, () throws -> Void)] {
                try t.utimens("d", FileTime(1), FileTime(1))
                try make()
                try expect(try t.stat("d").modified > FileTime(1), name)
                try expect(try t.stat("d").changed > FileTime(1), name)
            }
        }
        Case("times.removing-changes-the-folder") { t in
            try t.mkdir("d")
            try t.make("d/f")
            try t.mkdir("d/e")
            try t.utimens("d", FileTime(1), FileTime(1))
            try t.unlink("d/f")
            try expect(try t.stat("d").modified > FileTime(1), "after unlink")
            try t.utimens("d", FileTime(1), FileTime(1))
            try t.rmdir("d/e")
            try expect(try t.stat("d").modified > FileTime(1), "after rmdir")
        }
        Case("times.writing-a-file-leaves-the-folder") { t in
            try t.mkdir("d")
            let file = try t.create("d/f")
            try t.utimens("d", FileTime(1), FileTime(1))
            try file.write("text")
            try expectEqual(try t.stat("d").modified, FileTime(1))
        }
        Case("times.failed-calls-change-nothing") { t in
            try t.mkdir("d")
            try t.make("d/f")
            try t.utimens("d", FileTime(1), FileTime(1))
            try expectError(.fileExists) { try t.mkdir("d/f") }
            try expectError(.noSuchFileOrDirectory) { try t.unlink("d/none") }
            try expectError(.directoryNotEmpty) { try t.rmdir("d") }
            try expectEqual(try t.stat("d").modified, FileTime(1))
        }
        Case("times.mapped-store-changes-modification", needs: .kernel) { t in
            let file = try t.create("f", String(repeating: "x", count: 4096))
            try t.utimens("f", FileTime(1), FileTime(1))
            let mapping = try Mapping(file, 4096)
            mapping.bytes[0] = 1
            try mapping.sync()
            try expect(try t.stat("f").modified > FileTime(1), "time of modification stays")
        }
        Case("times.new-file-is-from-now") { t in
            try t.make("a")
            let first = try t.stat("a")
            try t.make("b")
            let second = try t.stat("b")
            try expect(second.changed >= first.changed, "a later file is older")
            try expectEqual(first.modified, first.changed)
            try expectEqual(first.accessed, first.modified)
        }
        Case("times.mtime-never-behind-an-earlier-file's") { t in
            // What make(1) rests on.
            for number in 0..<20 {
                try t.make("source\(number)", "x")
                try t.make("target\(number)", "y")
                let (source, target) = (try t.stat("source\(number)"), try t.stat("target\(number)"))
                try expect(target.modified >= source.modified, "\(number)")
            }
        }
        Case("times.attribute-changes-change-time", needs: .attributes) { t in
            try t.make("f")
            try t.utimens("f", FileTime(1), FileTime(1))
            let before = try t.stat("f").changed
            try t.files.setxattr("f", "user.a", [1], 0)
            try expect(try t.stat("f").changed >= before, "time of change goes back")
            try expectEqual(try t.stat("f").modified, FileTime(1))
        }
    }
}

extension Scene {
    /// When a file was made (statx(2)); nothing where the file system does not know.
    fileprivate func birth(of path: Path) throws -> FileTime? {
        let status = try readStatus(folder, path, 0, UInt32(STATX_BTIME))
        guard status.stx_mask & UInt32(STATX_BTIME) != 0 else { return nil }
        return FileTime(Int(status.stx_btime.tv_sec), Int(status.stx_btime.tv_nsec))
    }
}
