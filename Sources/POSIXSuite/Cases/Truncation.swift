import CKernel
import SystemPackage

/// truncate(2), and files with holes.
extension Suite {
    @CaseList static var truncation: [Case] {
        Case("truncate.shorter-and-longer") { t in
            let file = try t.create("f", "0123456789")
            try file.truncate(4)
            try expectEqual(try file.text(), "0123")
            try file.truncate(6)
            try expectEqual(try file.read(10), Array("0123".utf8) + [0, 0])
        }
        Case("truncate.grown-again-reads-zeros-not-the-old") { t in
            let file = try t.create("f", String(repeating: "x", count: 10_000))
            for size in [1, 4095, 4096, 4097, 5000] {
                try file.write([UInt8](repeating: 120, count: 10_000))
                try file.truncate(size)
                try file.truncate(10_000)
                let content = try file.read(10_000)
                try expect(content.prefix(size).allSatisfy { $0 == 120 }, "what was left, \(size)")
                try expect(content.dropFirst(size).allSatisfy { $0 == 0 }, "old bytes come back, \(size)")
            }
        }
        Case("truncate.by-path") { t in
            try t.make("f", "0123456789")
            try t.truncate("f", 3)
            try expectEqual(try t.text("f"), "012")
            try expectEqual(try t.stat("f").size, 3)
        }
        Case("truncate.seen-by-other-descriptors") { t in
            let one = try t.create("f", "0123456789")
            let two = try t.open("f")
            _ = try two.read(10)
            try one.truncate(3)
            try expectEqual(try two.text(), "012")
            try expectEqual(try two.size, 3)
        }
        Case("truncate.folder-and-others-are-refused") { t in
            try t.mkdir("d")
            try t.mknod("p", .fifo | 0o600)
            try expectError(.isDirectory) { try t.truncate("d", 0) }
            try expectError(.invalidArgument) { try t.truncate("p", 0) }
            try expectError(.noSuchFileOrDirectory) { try t.truncate("none", 0) }
        }
        Case("truncate.negative-is-refused") { t in
            let file = try t.create("f")
            try expectError(.invalidArgument) { try file.truncate(-1) }
            try expectError(.invalidArgument) { try t.truncate("f", -1) }
        }
        Case("truncate.to-the-same-size") { t in
            let file = try t.create("f", "text")
            try file.truncate(4)
            try expectEqual(try file.text(), "text")
        }
        Case("truncate.keeps-the-position", needs: .kernel) { t in
            let file = try t.create("f", "0123456789")
            _ = try file.seek(8, SEEK_SET)
            try file.truncate(2)
            try expectEqual(try call(write(file.number, "x", 1)), 1)
            try expectEqual(try file.read(20), [0x30, 0x31, 0, 0, 0, 0, 0, 0, 0x78])
        }
        Case("truncate.through-symlink") { t in
            try t.make("f", "text")
            try t.symlink("f", "s")
            try t.truncate("s", 1)
            try expectEqual(try t.text("f"), "t")
        }
        Case("truncate.frees-blocks") { t in
            let file = try t.create("f")
            try file.write([UInt8](repeating: 1, count: 1 << 20))
            try file.sync()
            try expect(try t.stat("f").blocks >= 2048, "\(try t.stat("f").blocks) blocks")
            try file.truncate(0)
            try expectEqual(try t.stat("f").blocks, 0)
        }
    }

    @CaseList static var sparse: [Case] {
        Case("sparse.far-write-leaves-a-hole") { t in
            let file = try t.create("f")
            try file.write("end", at: 10_000_000)
            try expectEqual(try file.size, 10_000_003)
            try expectEqual(try file.read(8, at: 5_000_000), [UInt8](repeating: 0, count: 8))
            try file.sync()
            try expect(try t.stat("f").blocks < 200, "\(try t.stat("f").blocks) blocks for a hole")
        }
        Case("sparse.seek-data-and-hole") { t in
            let file = try t.create("f")
            let page = [UInt8](repeating: 1, count: 4096)
            try file.write(page, at: 64 << 10)
            try file.write(page, at: 256 << 10)
            try file.truncate(1 << 20)
            try file.sync()
            try expectEqual(try file.seek(0, SEEK_DATA), 64 << 10)
            try expectEqual(try file.seek(0, SEEK_HOLE), 0)
            try expectEqual(try file.seek(64 << 10, SEEK_HOLE), (64 << 10) + 4096)
            try expectEqual(try file.seek(100 << 10, SEEK_DATA), 256 << 10)
            try expectEqual(try file.seek((64 << 10) + 7, SEEK_DATA), (64 << 10) + 7)
        }
        Case("sparse.seek-data-in-the-last-hole-is-ENXIO") { t in
            let file = try t.create("f", "text")
            try file.truncate(1 << 20)
            try file.sync()
            try expectError(.noSuchAddressOrDevice) { _ = try file.seek(512 << 10, SEEK_DATA) }
            try expectEqual(try file.seek(512 << 10, SEEK_HOLE), 512 << 10)
        }
        Case("sparse.seek-behind-the-end-is-ENXIO") { t in
            let file = try t.create("f", "text")
            for whence in [SEEK_DATA, SEEK_HOLE] {
                try expectError(.noSuchAddressOrDevice) { _ = try file.seek(4, whence) }
                try expectError(.noSuchAddressOrDevice) { _ = try file.seek(1000, whence) }
            }
        }
        Case("sparse.hole-at-the-end-of-a-full-file") { t in
            let file = try t.create("f", "text")
            try expectEqual(try file.seek(0, SEEK_HOLE), 4)
            try expectEqual(try file.seek(0, SEEK_DATA), 0)
        }
        Case("sparse.empty-file") { t in
            let file = try t.create("f")
            try expectError(.noSuchAddressOrDevice) { _ = try file.seek(0, SEEK_DATA) }
            try expectError(.noSuchAddressOrDevice) { _ = try file.seek(0, SEEK_HOLE) }
        }
        Case("sparse.written-but-not-synced-data-is-found") { t in
            let file = try t.create("f")
            try file.truncate(1 << 20)
            try file.write([UInt8](repeating: 1, count: 4096), at: 512 << 10)
            try expectEqual(try file.seek(0, SEEK_DATA), 512 << 10)
        }
        Case("sparse.seek-moves-the-position", needs: .kernel) { t in
            let file = try t.create("f")
            try file.write([UInt8](repeating: 1, count: 4096), at: 64 << 10)
            _ = try file.seek(0, SEEK_DATA)
            try expectEqual(try file.seek(0, SEEK_CUR), 64 << 10)
        }
        Case("sparse.offsets-over-four-gigabytes") { t in
            let file = try t.create("f")
            for shift in [31, 32, 33, 40] {
                try file.write("here \(shift)", at: 1 << shift)
                try expectEqual(try file.text(7, at: 1 << shift), "here \(shift)")
            }
            try expectEqual(try t.stat("f").size, 1 << 40 + 7)
            try file.sync()
            try expectEqual(try file.seek(1 << 34, SEEK_DATA), 1 << 40)
        }
        Case("sparse.largest-offset") { t in
            // ext4 ends at 16 TiB less a block; others later. Where it ends, EFBIG.
            let file = try t.create("f")
            try expectError(.fileTooLarge) { try file.write("x", at: Int.max - 1) }
            try expectError(.fileTooLarge, .invalidArgument) { try file.truncate(Int.max) }
            try expectEqual(try file.size, 0)
        }
    }
}
