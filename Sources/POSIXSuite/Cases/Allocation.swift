import CKernel
import SystemPackage

/// fallocate(2).
extension Suite {
    @CaseList static var allocation: [Case] {
        Case("allocate.grows") { t in
            let file = try t.create("f", "text")
            try file.allocate(0, 0, 10_000)
            try expectEqual(try file.size, 10_000)
            try expectEqual(try file.read(6), Array("text".utf8) + [0, 0])
            try expect(try t.stat("f").blocks >= 16, "\(try t.stat("f").blocks) blocks")
        }
        Case("allocate.keep-size") { t in
            let file = try t.create("f", "text")
            try file.allocate(FALLOC_FL_KEEP_SIZE, 0, 1 << 20)
            try expectEqual(try file.size, 4)
            try expect(try t.stat("f").blocks >= 2048, "\(try t.stat("f").blocks) blocks")
        }
        Case("allocate.punch-hole") { t in
            let file = try t.create("f")
            try file.write([UInt8](repeating: 7, count: 64 << 10))
            try file.sync()
            let before = try t.stat("f").blocks
            try file.allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 16 << 10, 16 << 10)
            try expectEqual(try file.size, 64 << 10)
            try expect(try file.read(16 << 10, at: 16 << 10).allSatisfy { $0 == 0 }, "the hole is not empty")
            try expectEqual(try file.read(1, at: (16 << 10) - 1), [7])
            try expectEqual(try file.read(1, at: 32 << 10), [7])
            try expectEqual(before - (try t.stat("f").blocks), 32)
            try expectEqual(try file.seek(0, SEEK_HOLE), 16 << 10)
        }
        Case("allocate.punch-hole-not-at-pages") { t in
            let file = try t.create("f")
            try file.write([UInt8](repeating: 7, count: 10_000))
            try file.allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 5000)
            let content = try file.read(10_000)
            try expectEqual(content.count, 10_000)
            try expect(content[100..<5100].allSatisfy { $0 == 0 }, "the hole is not empty")
            try expect(content[..<100].allSatisfy { $0 == 7 } && content[5100...].allSatisfy { $0 == 7 }, "too much")
        }
        Case("allocate.punch-hole-behind-the-end") { t in
            let file = try t.create("f", "text")
            try file.allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096)
            try expectEqual(try file.size, 4)
        }
        Case("allocate.punch-hole-needs-keep-size") { t in
            let file = try t.create("f", "text")
            try expectError(.notSupported, .invalidArgument) { try file.allocate(FALLOC_FL_PUNCH_HOLE, 0, 4) }
        }
        Case("allocate.zero-range") { t in
            let file = try t.create("f")
            try file.write([UInt8](repeating: 7, count: 10_000))
            try file.allocate(FALLOC_FL_ZERO_RANGE, 1000, 5000)
            let content = try file.read(20_000)
            try expectEqual(content.count, 10_000)
            try expect(content[1000..<6000].allSatisfy { $0 == 0 }, "not zero")
            try expect(content[..<1000].allSatisfy { $0 == 7 } && content[6000...].allSatisfy { $0 == 7 }, "too much")
        }
        Case("allocate.zero-range-over-the-end") { t in
            let file = try t.create("f", "0123456789")
            try file.allocate(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 5, 100)
            try expectEqual(try file.read(20), Array("01234".utf8) + [0, 0, 0, 0, 0])
            try file.allocate(FALLOC_FL_ZERO_RANGE, 8, 100)
            try expectEqual(try file.size, 108)
        }
        Case("allocate.collapse-range") { t in
            let file = try t.create("f")
            for block in 0..<4 { try file.write([UInt8](repeating: UInt8(block), count: 4096), at: block * 4096) }
            try file.sync()
            try file.allocate(FALLOC_FL_COLLAPSE_RANGE, 4096, 4096)
            try expectEqual(try file.size, 3 * 4096)
            try expectEqual(try file.read(2, at: 4095), [0, 2])
        }
        Case("allocate.insert-range") { t in
            let file = try t.create("f")
            for block in 0..<3 { try file.write([UInt8](repeating: UInt8(block + 1), count: 4096), at: block * 4096) }
            try file.sync()
            try file.allocate(FALLOC_FL_INSERT_RANGE, 4096, 4096)
            try expectEqual(try file.size, 4 * 4096)
            try expectEqual(try file.read(2, at: 4095), [1, 0])
            try expectEqual(try file.read(2, at: 8191), [0, 2])
        }
        Case("allocate.nothing-is-refused") { t in
            let file = try t.create("f", "text")
            try expectError(.invalidArgument) { try file.allocate(0, 0, 0) }
        }
        Case("allocate.negative-is-refused") { t in
            let file = try t.create("f", "text")
            try expectError(.invalidArgument) { try file.allocate(0, -1, 10) }
            try expectError(.invalidArgument) { try file.allocate(0, 0, -10) }
        }
        Case("allocate.read-only-is-refused") { t in
            try t.make("f", "text")
            let file = try t.open("f", O_RDONLY)
            try expectError(.badFileDescriptor) { try file.allocate(0, 0, 10) }
        }
        Case("allocate.folder-is-refused") { t in
            try t.mkdir("d")
            let folder = try t.open("d", O_RDONLY | O_DIRECTORY)
            try expectError(.badFileDescriptor, .isDirectory) { try folder.allocate(0, 0, 10) }
        }
        Case("allocate.posix-fallocate", needs: .kernel) { t in
            let file = try t.create("f")
            try expectEqual(posix_fallocate64(file.number, 1000, 5000), 0)
            try expectEqual(try file.size, 6000)
        }
        Case("allocate.seen-by-other-descriptors") { t in
            let one = try t.create("f", "0123456789")
            let two = try t.open("f", O_RDONLY)
            try expectEqual(try two.text(), "0123456789")
            try one.allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3)
            try expectEqual(try two.read(20), Array("01".utf8) + [0, 0, 0] + Array("56789".utf8))
            try one.allocate(0, 0, 12)
            try expectEqual(try two.size, 12)
        }
    }
}
