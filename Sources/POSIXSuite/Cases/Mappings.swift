import CKernel
import SystemPackage

/// mmap(2).
extension Suite {
    @CaseList static var mappings: [Case] {
        Case("mmap.shared-store-is-read", needs: .kernel) { t in
            let file = try t.create("f", String(repeating: "x", count: 8192))
            let mapping = try Mapping(file, 8192)
            mapping.write("hello", at: 4094)
            try expectEqual(try file.text(7, at: 4093), "xhellox")
            try mapping.sync()
            try expectEqual(try t.open("f", O_RDONLY).text(5, at: 4094), "hello")
        }
        Case("mmap.shared-sees-writes", needs: .kernel) { t in
            let file = try t.create("f", String(repeating: "x", count: 4096))
            let mapping = try Mapping(file, 4096)
            try expectEqual(mapping.text(3), "xxx")
            try file.write("abc")
            try expectEqual(mapping.text(3), "abc")
        }
        Case("mmap.two-mappings-are-one", needs: .kernel) { t in
            let one = try t.create("f", String(repeating: "x", count: 4096))
            let two = try t.open("f")
            let (first, second) = (try Mapping(one, 4096), try Mapping(two, 4096))
            first.write("abc")
            try expectEqual(second.text(3), "abc")
            second.write("z", at: 1)
            try expectEqual(first.text(3), "azc")
        }
        Case("mmap.private-store-stays-private", needs: .kernel) { t in
            let file = try t.create("f", String(repeating: "x", count: 4096))
            let mapping = try Mapping(file, 4096, flags: MAP_PRIVATE)
            mapping.write("abc")
            try expectEqual(mapping.text(4), "abcx")
            try expectEqual(try file.text(4), "xxxx")
        }
        Case("mmap.private-of-a-read-only-file", needs: .kernel) { t in
            try t.make("f", "text")
            let file = try t.open("f", O_RDONLY)
            let mapping = try Mapping(file, 4096, flags: MAP_PRIVATE)
            mapping.write("T")
            try expectEqual(mapping.text(4), "Text")
        }
        Case("mmap.shared-of-a-read-only-file", needs: .kernel) { t in
            try t.make("f", "text")
            let file = try t.open("f", O_RDONLY)
            try expectError(.permissionDenied) { _ = try Mapping(file, 4096) }
            try expectEqual(try Mapping(file, 4096, protection: PROT_READ).text(4), "text")
        }
        Case("mmap.of-write-only-is-refused", needs: .kernel) { t in
            let file = try t.open("f", O_WRONLY | O_CREAT)
            try expectError(.permissionDenied) { _ = try Mapping(file, 4096, protection: PROT_READ) }
        }
        Case("mmap.of-folder-is-refused", needs: .kernel) { t in
            try t.mkdir("d")
            let folder = try t.open("d", O_RDONLY | O_DIRECTORY)
            try expectError(.operationNotSupportedByDevice) { _ = try Mapping(folder, 4096, protection: PROT_READ) }
        }
        Case("mmap.goes-on-after-close", needs: .kernel) { t in
            let file = try t.create("f", String(repeating: "x", count: 4096))
            let mapping = try Mapping(file, 4096)
            file.close()
            mapping.write("abc")
            try mapping.sync()
            try expectEqual(try t.open("f", O_RDONLY).text(4), "abcx")
        }
        Case("mmap.goes-on-after-unlink", needs: .kernel) { t in
            let file = try t.create("f", String(repeating: "x", count: 4096))
            let mapping = try Mapping(file, 4096)
            try t.unlink("f")
            mapping.write("abc")
            try mapping.sync()
            try expectEqual(try file.text(4), "abcx")
        }
        Case("mmap.behind-the-end-of-the-last-page-is-zero", needs: .kernel) { t in
            let file = try t.create("f", "text")
            let mapping = try Mapping(file, 4096)
            try expectEqual(mapping.bytes[4], 0)
            try expectEqual(mapping.bytes[4095], 0)
            mapping.write("x", at: 10)
            try mapping.sync()
            try expectEqual(try file.size, 4)
            try expectEqual(try file.text(), "text")
        }
        Case("mmap.grown-file-is-seen", needs: .kernel) { t in
            let file = try t.create("f", "text")
            let mapping = try Mapping(file, 8192)
            try file.truncate(8192)
            try file.write("end", at: 8189)
            try expectEqual(mapping.text(3, at: 8189), "end")
            mapping.write("x", at: 5000)
            try expectEqual(try file.text(1, at: 5000), "x")
        }
        Case("mmap.zeros-after-truncation-and-growth", needs: .kernel) { t in
            let file = try t.create("f", String(repeating: "x", count: 4096))
            let mapping = try Mapping(file, 4096)
            try expectEqual(mapping.bytes[100], 120)
            try file.truncate(10)
            try file.truncate(4096)
            try expectEqual(mapping.bytes[9], 120)
            try expectEqual(mapping.bytes[10], 0)
            try expectEqual(mapping.bytes[4095], 0)
        }
        Case("mmap.hole-punched-below", needs: .kernel) { t in
            let file = try t.create("f", String(repeating: "x", count: 12_288))
            let mapping = try Mapping(file, 12_288)
            try expectEqual(mapping.bytes[5000], 120)
            try file.allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096)
            try expectEqual(mapping.bytes[5000], 0)
            try expectEqual(mapping.bytes[4095], 120)
        }
        Case("mmap.store-into-a-hole", needs: .kernel) { t in
            let file = try t.create("f")
            try file.truncate(1 << 20)
            let mapping = try Mapping(file, 1 << 20)
            mapping.write("here", at: 500_000)
            try mapping.sync()
            try expectEqual(try t.open("f", O_RDONLY).text(4, at: 500_000), "here")
            try expectEqual(try file.seek(0, SEEK_DATA), 500_000 & ~4095)
        }
        Case("mmap.synced-by-fsync", needs: .kernel) { t in
            let file = try t.create("f", String(repeating: "x", count: 4096))
            let mapping = try Mapping(file, 4096)
            mapping.write("abc")
            try file.sync()
            try expectEqual(try t.otherView.text("f").prefix(4), "abcx")
        }
        Case("mmap.many-threads-store", needs: .kernel) { t in
            let file = try t.create("f")
            try file.truncate(64 << 10)
            let mapping = try Mapping(file, 64 << 10)
            _ = try t.together(4) { number in
                for index in 0..<(16 << 10) { mapping.bytes[index * 4 + number] = UInt8(number + 1) }
            }
            try mapping.sync()
            let content = try file.read(64 << 10)
            try expect(content.enumerated().allSatisfy { Int($1) == $0 % 4 + 1 }, "stores are lost")
        }
        Case("mmap.locked-and-advised", needs: .kernel) { t in
            let file = try t.create("f", String(repeating: "x", count: 8192))
            let mapping = try Mapping(file, 8192)
            try call(madvise(mapping.bytes, 8192, MADV_WILLNEED))
            try call(mlock(mapping.bytes, 4096))
            try expectEqual(mapping.bytes[0], 120)
            try call(munlock(mapping.bytes, 4096))
            try call(madvise(mapping.bytes, 8192, MADV_DONTNEED))
            try expectEqual(mapping.bytes[8191], 120)
        }
        Case("mmap.executable", needs: .kernel) { t in
            let file = try t.create("f", "text", 0o755)
            let mapping = try Mapping(file, 4096, protection: PROT_READ | PROT_EXEC, flags: MAP_PRIVATE)
            try expectEqual(mapping.text(4), "text")
        }
    }
}
