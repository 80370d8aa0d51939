import CKernel
import SystemPackage

/// The …at() calls, file handles, and how much space there is.
extension Suite {
    @CaseList static var relativePaths: [Case] {
        Case("at.calls-relative-to-a-folder", needs: .kernel) { t in
            try t.mkdir("d")
            let kept = try t.open("d", O_PATH | O_DIRECTORY)
            try openAndClose(kept.number, "f", O_CREAT | O_WRONLY)
            try call(mkdirat(kept.number, "e", 0o700))
            try call(symlinkat("x", kept.number, "s"))
            try call(linkat(kept.number, "f", kept.number, "g", 0))
            try call(renameat(kept.number, "g", kept.number, "h"))
            try call(mknodat(kept.number, "p", .fifo | 0o600, 0))
            try call(fchmodat(kept.number, "f", 0o600, 0))
            try call(faccessat(kept.number, "f", R_OK, 0))
            try expectEqual(try t.names("d"), ["e", "f", "h", "p", "s"])
            for name in ["f", "h", "p", "s"] { try call(unlinkat(kept.number, name, 0)) }
            try call(unlinkat(kept.number, "e", AT_REMOVEDIR))
            try expectEqual(try t.names("d"), [])
        }
        Case("at.file-as-a-folder-is-refused", needs: .kernel) { t in
            let file = try t.create("f")
            try expectError(.notDirectory) { try openAndClose(file.number, "x", O_RDONLY) }
            try expectError(.notDirectory) { try call(mkdirat(file.number, "x", 0o755)) }
            try expectError(.notDirectory) { try call(unlinkat(file.number, "x", 0)) }
        }
        Case("at.bad-descriptor-is-refused", needs: .kernel) { t in
            try expectError(.badFileDescriptor) { try openAndClose(-5, "x", O_RDONLY) }
            try expectError(.badFileDescriptor) { try call(mkdirat(-5, "x", 0o755)) }
        }
        Case("at.absolute-path-ignores-the-folder", needs: .kernel) { t in
            try openAndClose(t.folder, "/proc/self/comm", O_RDONLY)
        }
        Case("at.statx-mask-and-type", needs: .kernel) { t in
            try t.make("f", "text")
            let status = try readStatus(t.folder, "f", 0, UInt32(STATX_ALL))
            let basic = UInt32(STATX_BASIC_STATS)
            try expectEqual(status.stx_mask & basic, basic)
            try expectEqual(Int(status.stx_size), 4)
            for flag in [AT_STATX_FORCE_SYNC, AT_STATX_DONT_SYNC] {
                try expectEqual(Int(try readStatus(t.folder, "f", flag).stx_size), 4)
            }
        }
        Case("at.renames-between-two-descriptors", needs: .kernel) { t in
            try t.mkdir("a")
            try t.mkdir("b")
            let (a, b) = (try t.open("a", O_RDONLY | O_DIRECTORY), try t.open("b", O_RDONLY | O_DIRECTORY))
            try t.make("a/f", "text")
            try call(renameat2(a.number, "f", b.number, "g", UInt32(RENAME_NOREPLACE)))
            try expectEqual(try t.text("b/g"), "text")
        }
        Case("at.working-folder", needs: .kernel) { t in
            try t.mkdir("d")
            let folder = try t.open("d", O_RDONLY | O_DIRECTORY)
            try call(fchdir(folder.number))
            try openAndClose(AT_FDCWD, "f", O_CREAT | O_WRONLY)
            try openAndClose(AT_FDCWD, "../g", O_CREAT | O_WRONLY)
            try expectEqual(try t.names("d"), ["f"])
            try expectEqual(try t.names(), ["d", "g"])
        }
        Case("at.working-folder-has-a-path", needs: .kernel) { t in
            try t.mkdir("d")
            let folder = try t.open("d", O_RDONLY | O_DIRECTORY)
            try call(fchdir(folder.number))
            var path = [CChar](repeating: 0, count: 4096)
            try expect(getcwd(&path, path.count) != nil, "no path")
            let text = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            try expect(text.hasSuffix("/d"), text)
        }
        Case("at.file-handles-lead-back", needs: [.kernel, .users]) { t in
            try t.make("f", "text")
            let handle = try FileHandleBytes(t.folder, "f")
            try expectEqual(try handle.read(t.folder, 4), Array("text".utf8))
        }
    }

    @CaseList static var space: [Case] {
        Case("statfs.says-something-true", needs: .kernel) { t in
            let status = try t.space()
            try expect(status.f_bsize > 0 && status.f_frsize > 0, "block size \(status.f_bsize)")
            try expect(status.f_blocks >= status.f_bfree, "more free than there are")
            try expect(status.f_bfree >= status.f_bavail, "more for users than for root")
            try expectEqual(status.f_namemax, 255)
        }
        Case("statfs.by-path-and-descriptor-agree", needs: .kernel) { t in
            var (one, two) = (statfs(), statfs())
            try t.make("f")
            let file = try t.open("f", O_RDONLY)
            try call(fstatfs(file.number, &one))
            try call(fstatfs(t.folder, &two))
            try expectEqual(one.f_type, two.f_type)
            try expectEqual(one.f_blocks, two.f_blocks)
            try expectEqual(one.f_bsize, two.f_bsize)
        }
        Case("statfs.is-that-of-the-other-view", needs: [.kernel, .secondView]) { t in
            let (here, there) = (try t.space(), try t.otherView.space())
            try expectEqual(here.f_blocks, there.f_blocks)
            try expectEqual(here.f_frsize, there.f_frsize)
            try expectEqual(here.f_files, there.f_files)
            try expectEqual(here.f_namemax, there.f_namemax)
        }
        Case("statfs.written-megabytes-are-taken-and-given-back") { t in
            let file = try t.create("f")
            try file.allocate(0, 0, 8 << 20)
            try expectEqual(try t.stat("f").blocks, 16_384)
            try file.truncate(0)
            try expectEqual(try t.stat("f").blocks, 0)
        }
        Case("limit.path-configuration", needs: .kernel) { t in
            try expectEqual(fpathconf(t.folder, Int32(_PC_NAME_MAX)), 255)
            try expect(fpathconf(t.folder, Int32(_PC_LINK_MAX)) >= 127, "links")
        }
    }
}

extension Scene {
    fileprivate func space() throws(Errno) -> statvfs64 {
        var status = statvfs64()
        try call(fstatvfs64(folder, &status))
        return status
    }
}

/// A file handle (name_to_handle_at(2)).
private struct FileHandleBytes {
    private var bytes: [UInt32]

    init(_ folder: Int32, _ path: Path) throws {
        // handle_bytes, handle_type, then room for 128 bytes (MAX_HANDLE_SZ).
        var bytes = [UInt32](repeating: 0, count: 2 + 32)
        bytes[0] = 128
        var mount: Int32 = 0
        try path.withPointer { path in
            try bytes.withUnsafeMutableBytes { buffer in
                try call(
                    name_to_handle_at(
                        folder, path, buffer.baseAddress!.assumingMemoryBound(to: file_handle.self), &mount, 0))
            }
        }
        self.bytes = bytes
    }

    func read(_ folder: Int32, _ count: Int) throws -> [UInt8] {
        var bytes = bytes
        let file = try bytes.withUnsafeMutableBytes { buffer in
            try call(
                open_by_handle_at(
                    folder, buffer.baseAddress!.assumingMemoryBound(to: file_handle.self), O_RDONLY | O_CLOEXEC))
        }
        defer { close(file) }
        var content = [UInt8](repeating: 0, count: count)
        try call(pread64(file, &content, count, 0))
        return content
    }
}
