import CKernel
import SystemPackage

/// Reading and writing at offsets, in sizes, and through other calls.
extension Suite {
    @CaseList static var reading: [Case] {
        Case("read.at-and-behind-the-end") { t in
            let file = try t.create("f", "text")
            try expectEqual(try file.read(10, at: 2), Array("xt".utf8))
            try expectEqual(try file.read(10, at: 4), [])
            try expectEqual(try file.read(10, at: 1000), [])
            try expectEqual(try file.read(0, at: 0), [])
        }
        Case("read.sizes-around-pages") { t in
            let content = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
            let file = try t.create("f")
            try expectEqual(try file.write(content), content.count)
            for (offset, count) in [
                (0, 4096), (1, 4096), (4095, 2), (4096, 4096), (8191, 8193), (19_999, 5), (3, 19_000),
            ] {
                try expectEqual(try file.read(count, at: offset), Array(content[offset..<min(offset + count, 20_000)]))
            }
        }
        Case("read.write-at-every-alignment") { t in
            let file = try t.create("f")
            var model = [UInt8]()
            for step in 0..<60 {
                let (offset, count) = (step * 517 % 9000, step * 331 % 3000 + 1)
                let bytes = [UInt8](repeating: UInt8(step + 1), count: count)
                if model.count < offset + count {
                    model += [UInt8](repeating: 0, count: offset + count - model.count)
                }
                model.replaceSubrange(offset..<(offset + count), with: bytes)
                try expectEqual(try file.write(bytes, at: offset), count)
            }
            try expectEqual(try file.read(20_000), model)
            file.close()
            try expectEqual(try t.open("f", O_RDONLY).read(20_000), model)
        }
        Case("read.more-than-a-megabyte-in-one-call") { t in
            let content = (0..<1_100_001).map { UInt8(truncatingIfNeeded: $0 &* 13) }
            let file = try t.create("f")
            var written = 0
            while written < content.count { written += try file.write(Array(content[written...]), at: written) }
            var read: [UInt8] = []
            while read.count < content.count { read += try file.read(content.count, at: read.count) }
            try expect(read == content, "content differs")
        }
        Case("read.vectors", needs: .kernel) { t in
            let file = try t.create("f")
            try t.withVectors(["one", "", "two", "three"]) {
                try expectEqual(try call(pwritev64(file.number, $0, $1, 0)), 11)
            }
            try expectEqual(try file.text(), "onetwothree")
        }
        Case("read.position-of-the-descriptor", needs: .kernel) { t in
            let file = try t.create("f", "0123456789")
            var byte: UInt8 = 0
            try expectEqual(try call(read(file.number, &byte, 1)), 1)
            try expectEqual(byte, UInt8(ascii: "0"))
            _ = try file.read(4, at: 5)
            try expectEqual(try file.seek(0, SEEK_CUR), 1)
            try expectEqual(try file.seek(-1, SEEK_END), 9)
            try expectEqual(try call(write(file.number, "xyz", 3)), 3)
            try expectEqual(try file.size, 12)
            try expectEqual(try file.seek(0, SEEK_CUR), 12)
        }
        Case("read.seeking-to-nowhere-is-refused", needs: .kernel) { t in
            let file = try t.create("f", "text")
            try expectError(.invalidArgument) { _ = try file.seek(-1, SEEK_SET) }
            try expectError(.invalidArgument) { _ = try file.seek(-5, SEEK_END) }
            try expectError(.invalidArgument) { _ = try file.seek(0, 99) }
            try expectEqual(try file.seek(1000, SEEK_SET), 1000)
            try expectEqual(try file.size, 4)
        }
        Case("read.negative-offset-is-refused") { t in
            let file = try t.create("f", "text")
            try expectError(.invalidArgument) { _ = try file.read(1, at: -1) }
            try expectError(.invalidArgument) { try file.write("x", at: -1) }
        }
        Case("read.what-another-descriptor-wrote") { t in
            let writer = try t.create("f")
            let reader = try t.open("f", O_RDONLY)
            for number in 0..<50 {
                try writer.write("\(number % 10)", at: number)
                try expectEqual(try reader.text(1, at: number), "\(number % 10)")
                try expectEqual(try reader.size, number + 1)
            }
        }
        Case("read.advice-is-taken", needs: .kernel) { t in
            let file = try t.create("f", "text")
            for advice in [POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM, POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED] {
                try expectEqual(posix_fadvise64(file.number, 0, 0, advice), 0)
            }
            try expectEqual(try file.text(), "text")
        }
        Case("read.sync-calls", needs: .kernel) { t in
            let file = try t.create("f", "text")
            try file.sync()
            try call(fdatasync(file.number))
            try call(sync_file_range(file.number, 0, 0, UInt32(SYNC_FILE_RANGE_WRITE)))
            try call(syncfs(file.number))
        }
        Case("read.no-signal-ends-a-write-or-its-sync", needs: .kernel) { t in
            let file = try t.create("f")
            try t.interrupting(orRelease: {}) {
                for number in 0..<20 {
                    try file.write("text", at: 4 * number)
                    try call(fdatasync(file.number))
                    try call(ftruncate(file.number, 4 * number))
                }
            }
        }
        Case("read.sent-to-another-file", needs: .kernel) { t in
            let from = try t.create("a", String(repeating: "0123456789", count: 1000))
            let to = try t.create("b")
            var offset = 5
            var sent = 0
            while offset < 10_000 { sent += try call(sendfile64(to.number, from.number, &offset, 10_000 - offset)) }
            try expectEqual(sent, 9995)
            try expectEqual(try to.text(10), "5678901234")
            try expectEqual(try to.size, 9995)
        }
        Case("read.spliced-through-a-pipe", needs: .kernel) { t in
            let file = try t.create("f", "text")
            var ends: [Int32] = [0, 0]
            try call(pipe(&ends))
            defer { ends.forEach { close($0) } }
            var offset = 0
            try expectEqual(try call(splice(file.number, &offset, ends[1], nil, 4, 0)), 4)
            let copy = try t.create("g")
            var target = 3
            try expectEqual(try call(splice(ends[0], nil, copy.number, &target, 4, 0)), 4)
            try expectEqual(try copy.read(10), [0, 0, 0] + Array("text".utf8))
        }
    }
}

extension Scene {
    fileprivate func withVectors(_ texts: [String], _ body: (UnsafePointer<iovec>, Int32) throws -> Void) throws {
        let copies = texts.map { Array($0.utf8) }
        let buffers = copies.map { bytes in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
            buffer.copyBytes(from: bytes)
            return buffer
        }
        defer { buffers.forEach { $0.deallocate() } }
        let vectors = buffers.map { iovec(iov_base: $0.baseAddress, iov_len: $0.count) }
        try vectors.withUnsafeBufferPointer { try body($0.baseAddress!, Int32(vectors.count)) }
    }
}
