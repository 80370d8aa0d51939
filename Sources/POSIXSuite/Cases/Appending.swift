import CKernel
import SystemPackage

/// O_APPEND, and copy_file_range(2).
extension Suite {
    @CaseList static var appending: [Case] {
        Case("append.always-at-the-end", needs: .kernel) { t in
            try t.make("f", "0123")
            let file = try t.open("f", O_RDWR | O_APPEND)
            try expectEqual(try call(write(file.number, "45", 2)), 2)
            _ = try file.seek(0, SEEK_SET)
            try expectEqual(try call(write(file.number, "67", 2)), 2)
            try expectEqual(try file.text(), "01234567")
        }
        Case("append.pwrite-appends-too-on-linux") { t in
            try t.make("f", "0123")
            let file = try t.open("f", O_RDWR | O_APPEND)
            try file.write("x", at: 0)
            try expectEqual(try file.text(), "0123x")
        }
        Case("append.two-descriptors-take-turns", needs: .kernel) { t in
            let one = try t.open("f", O_RDWR | O_APPEND | O_CREAT)
            let two = try t.open("f", O_RDWR | O_APPEND)
            for number in 0..<20 {
                let file = number % 2 == 0 ? one : two
                try expectEqual(try call(write(file.number, "\(number % 10)", 1)), 1)
            }
            try expectEqual(try one.text(), "01234567890123456789")
        }
        Case("append.many-writers-lose-nothing", needs: .kernel) { t in
            try t.make("f")
            _ = try t.together(4) { number in
                let file = try t.open("f", O_WRONLY | O_APPEND)
                for line in 0..<100 {
                    let text = "\(number) \(line) \(String(repeating: "x", count: 40 + number))\n"
                    try expectEqual(try call(write(file.number, text, text.utf8.count)), text.utf8.count)
                }
            }
            let lines = try t.text("f").split(separator: "\n")
            try expectEqual(lines.count, 400)
            for number in 0..<4 {
                let own = lines.filter { $0.hasPrefix("\(number) ") }.compactMap { Int($0.split(separator: " ")[1]) }
                try expectEqual(own, Array(0..<100), "writer \(number)")
            }
        }
        Case("append.set-later", needs: .kernel) { t in
            let file = try t.create("f", "0123")
            try call(ck_fcntl_int(file.number, F_SETFL, O_APPEND))
            _ = try file.seek(0, SEEK_SET)
            try expectEqual(try call(write(file.number, "x", 1)), 1)
            try expectEqual(try file.text(), "0123x")
            try call(ck_fcntl_int(file.number, F_SETFL, 0))
            try file.write("y", at: 0)
            try expectEqual(try file.text(), "y123x")
        }
        Case("append.after-somebody-truncated", needs: .kernel) { t in
            try t.make("f", "0123456789")
            let file = try t.open("f", O_WRONLY | O_APPEND)
            try t.truncate("f", 2)
            try expectEqual(try call(write(file.number, "x", 1)), 1)
            try expectEqual(try t.text("f"), "01x")
        }
        Case("append.after-another-opener-appended", needs: .kernel) { t in
            try t.make("f", "a")
            let file = try t.open("f", O_RDWR | O_APPEND)
            try expectEqual(try file.size, 1)
            let other = try t.open("f", O_WRONLY | O_APPEND)
            try expectEqual(try call(write(other.number, "bcd", 3)), 3)
            try expectEqual(try file.size, 4)
            try expectEqual(try call(write(file.number, "e", 1)), 1)
            try expectEqual(try file.text(), "abcde")
        }
        Case("append.position-is-behind-what-was-written", needs: .kernel) { t in
            try t.make("f", "0123")
            let file = try t.open("f", O_RDWR | O_APPEND)
            try expectEqual(try call(write(file.number, "45", 2)), 2)
            try expectEqual(try file.seek(0, SEEK_CUR), 6)
        }
        Case("append.not-at-pages", needs: .kernel) { t in
            let file = try t.open("f", O_RDWR | O_APPEND | O_CREAT)
            let text = String(repeating: "z", count: 1000)
            for _ in 0..<20 { try expectEqual(try call(write(file.number, text, 1000)), 1000) }
            try expectEqual(try file.size, 20_000)
            try expect(try file.read(20_000).allSatisfy { $0 == 122 }, "content differs")
        }
    }

    @CaseList static var copying: [Case] {
        Case("copy.whole-file") { t in
            let from = try t.create("a", String(repeating: "0123456789", count: 1000))
            let to = try t.create("b")
            var copied = 0
            while copied < 10_000 { copied += try from.copy(10_000 - copied, from: copied, to: to, at: copied) }
            try expectEqual(try to.read(20_000), try from.read(20_000))
        }
        Case("copy.part-to-another-place") { t in
            let from = try t.create("a", "0123456789")
            let to = try t.create("b", "abcdefghij")
            try expectEqual(try from.copy(4, from: 3, to: to, at: 2), 4)
            try expectEqual(try to.text(), "ab3456ghij")
        }
        Case("copy.over-the-end-copies-what-is-there") { t in
            let from = try t.create("a", "0123")
            let to = try t.create("b")
            try expectEqual(try from.copy(100, from: 2, to: to, at: 0), 2)
            try expectEqual(try from.copy(100, from: 4, to: to, at: 0), 0)
            try expectEqual(try to.text(), "23")
        }
        Case("copy.within-one-file") { t in
            let file = try t.create("a", "0123456789")
            try expectEqual(try file.copy(3, from: 0, to: file, at: 7), 3)
            try expectEqual(try file.text(), "0123456012")
        }
        Case("copy.overlapping-is-refused") { t in
            let file = try t.create("a", "0123456789")
            try expectError(.invalidArgument) { _ = try file.copy(5, from: 0, to: file, at: 3) }
        }
        Case("copy.just-written-data") { t in
            let from = try t.create("a")
            let to = try t.create("b")
            for number in 0..<10 {
                try from.write("\(number)")
                try expectEqual(try from.copy(1, to: to), 1)
                try expectEqual(try to.text(), "\(number)")
            }
        }
        Case("copy.over-cached-pages") { t in
            let from = try t.create("a", String(repeating: "n", count: 8192))
            let to = try t.create("b", String(repeating: "o", count: 8192))
            try expectEqual(try to.text(1), "o")
            var copied = 0
            while copied < 8192 { copied += try from.copy(8192 - copied, from: copied, to: to, at: copied) }
            try expectEqual(try to.text(1), "n")
            try expectEqual(try to.text(1, at: 8191), "n")
        }
        Case("copy.to-read-only-is-refused") { t in
            let from = try t.create("a", "text")
            try t.make("b")
            let to = try t.open("b", O_RDONLY)
            try expectError(.badFileDescriptor) { _ = try from.copy(4, to: to) }
        }
        Case("copy.to-appending-is-refused") { t in
            let from = try t.create("a", "text")
            let to = try t.open("b", O_WRONLY | O_CREAT | O_APPEND)
            try expectError(.badFileDescriptor) { _ = try from.copy(4, to: to) }
        }
        Case("copy.of-folder-is-refused") { t in
            try t.mkdir("d")
            let from = try t.open("d", O_RDONLY | O_DIRECTORY)
            let to = try t.create("b")
            try expectError(.isDirectory, .invalidArgument) { _ = try from.copy(4, to: to) }
        }
        Case("copy.large") { t in
            let from = try t.create("a")
            try from.write([UInt8](repeating: 5, count: 1 << 20), at: 3 << 20)
            let to = try t.create("b")
            var copied = 0
            while copied < 4 << 20 { copied += try from.copy((4 << 20) - copied, from: copied, to: to, at: copied) }
            try expectEqual(try to.size, 4 << 20)
            try expectEqual(try to.read(2, at: (3 << 20) - 1), [0, 5])
        }
    }
}
