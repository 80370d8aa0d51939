import CKernel
import Glibc
import SystemPackage

/// open(2) and its flags.
extension Suite {
    @CaseList static var opening: [Case] {
        Case("open.missing-is-refused") { t in
            try expectError(.noSuchFileOrDirectory) { _ = try t.open("a", O_RDONLY) }
            try expectError(.noSuchFileOrDirectory) { _ = try t.open("a", O_RDWR) }
        }
        Case("open.creates-empty") { t in
            let file = try t.open("a", O_RDWR | O_CREAT, 0o640)
            let status = try file.status
            try expectEqual(status.size, 0)
            try expectEqual(status.permissions, 0o640)
            try expectEqual(status.links, 1)
            try expectEqual(status.type, .regular)
        }
        Case("open.create-leaves-what-is-there") { t in
            try t.make("a", "text", 0o600)
            let file = try t.open("a", O_RDWR | O_CREAT, 0o777)
            try expectEqual(try file.text(), "text")
            try expectEqual(try file.status.permissions, 0o600)
        }
        Case("open.exclusive-refuses-what-is-there") { t in
            try t.make("a")
            try t.mkdir("d")
            try t.symlink("none", "s")
            try t.mknod("p", .fifo | 0o600)
            for name in ["a", "d", "s", "p"] as [Path] {
                try expectError(.fileExists) { _ = try t.open(name, O_RDWR | O_CREAT | O_EXCL) }
            }
            try expectEqual(try t.names(), ["a", "d", "p", "s"])
        }
        Case("open.exclusive-by-many-succeeds-once", needs: .kernel) { t in
            for round in 0..<20 {
                let winners = try t.together(4) { _ in
                    do throws(Errno) {
                        _ = try t.open("f\(round)", O_RDWR | O_CREAT | O_EXCL)
                        return true
                    } catch {
                        try expectEqual(error, .fileExists)
                        return false
                    }
                }
                try expectEqual(winners.filter { $0 }.count, 1, "round \(round)")
            }
        }
        Case("open.truncates") { t in
            try t.make("a", "text")
            let file = try t.open("a", O_RDWR | O_TRUNC)
            try expectEqual(try file.size, 0)
            try expectEqual(try t.stat("a").size, 0)
        }
        Case("open.truncating-a-read-only-open-works-on-linux") { t in
            try t.make("a", "text")
            t.discard(try t.open("a", O_RDONLY | O_TRUNC))
            try expectEqual(try t.stat("a").size, 0)
        }
        Case("open.truncating-changes-times") { t in
            try t.make("a", "text")
            try t.utimens("a", FileTime(1), FileTime(1))
            t.discard(try t.open("a", O_WRONLY | O_TRUNC))
            try expect(try t.stat("a").modified > FileTime(1), "time of modification stays")
        }
        Case("open.read-only-can't-be-written") { t in
            let file = try t.readOnly("a", "text")
            try expectError(.badFileDescriptor) { try file.write("x") }
            try expectError(.invalidArgument) { try file.truncate(0) }
        }
        Case("open.write-only-can't-be-read") { t in
            try t.make("a", "text")
            let file = try t.open("a", O_WRONLY)
            try expectError(.badFileDescriptor) { _ = try file.read(4) }
        }
        Case("open.folder-flag") { t in
            try t.make("f")
            try t.mkdir("d")
            try expectError(.notDirectory) { _ = try t.open("f", O_RDONLY | O_DIRECTORY) }
            t.discard(try t.open("d", O_RDONLY | O_DIRECTORY))
        }
        Case("open.creating-a-folder-that-is-there") { t in
            try t.mkdir("d")
            try expectError(.isDirectory) { _ = try t.open("d", O_RDWR | O_CREAT) }
            try expectError(.isDirectory) { _ = try t.open("d", O_RDONLY | O_CREAT) }
        }
        Case("open.create-and-folder-flag-is-refused") { t in
            try expectError(.invalidArgument) { _ = try t.open("d", O_RDONLY | O_CREAT | O_DIRECTORY) }
            try expectEqual(try t.names(), [])
        }
        Case("open.socket-is-refused") { t in
            try t.mknod("s", .socket | 0o600)
            try expectError(.noSuchAddressOrDevice) { _ = try t.open("s", O_RDWR) }
        }
        Case("open.in-missing-folder-creates-nothing") { t in
            try expectError(.noSuchFileOrDirectory) { _ = try t.open("no/a", O_RDWR | O_CREAT) }
            try expectEqual(try t.names(), [])
        }
        Case("open.path-only", needs: .kernel) { t in
            try t.make("a", "text", 0)
            let file = try t.open("a", O_PATH)
            try expectEqual(try file.size, 4)
            try expectError(.badFileDescriptor) { _ = try file.read(4) }
            try expectError(.badFileDescriptor) { try call(fchmod(file.number, 0o600)) }
        }
        Case("open.no-access-time-flag") { t in
            try t.make("a", "text")
            try expectEqual(try t.open("a", O_RDONLY | O_NOATIME).text(), "text")
        }
        Case("open.sync-flags", needs: .kernel) { t in
            for flags in [O_SYNC, O_DSYNC] {
                let file = try t.open("a", O_RDWR | O_CREAT | flags)
                try file.write("text")
                try expectEqual(try file.text(), "text")
                try expectEqual(try call(ck_fcntl_int(file.number, F_GETFL, 0)) & flags, flags)
            }
        }
        Case("open.direct-io", needs: .kernel) { t in
            let file = try t.open("a", O_RDWR | O_CREAT | O_DIRECT)
            let page = UnsafeMutableRawBufferPointer.allocate(byteCount: 8192, alignment: 4096)
            defer { page.deallocate() }
            page.initializeMemory(as: UInt8.self, repeating: 7)
            try expectEqual(try call(pwrite64(file.number, page.baseAddress, 8192, 4096)), 8192)
            page.initializeMemory(as: UInt8.self, repeating: 0)
            try expectEqual(try call(pread64(file.number, page.baseAddress, 8192, 0)), 8192)
            try expectEqual(page[4095], 0)
            try expectEqual(page[4096], 7)
            try expectEqual(try t.open("a", O_RDONLY).read(2, at: 4095), [0, 7])
        }
        Case("open.direct-and-cached-agree", needs: .kernel) { t in
            let cached = try t.create("a", String(repeating: "c", count: 8192))
            let direct = try t.open("a", O_RDWR | O_DIRECT)
            let page = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)
            defer { page.deallocate() }
            try expectEqual(try call(pread64(direct.number, page.baseAddress, 4096, 0)), 4096)
            try expectEqual(page[0], UInt8(ascii: "c"))
            page.initializeMemory(as: UInt8.self, repeating: UInt8(ascii: "d"))
            try expectEqual(try call(pwrite64(direct.number, page.baseAddress, 4096, 0)), 4096)
            try expectEqual(try cached.text(1, at: 0), "d")
            try expectEqual(try cached.text(1, at: 4096), "c")
        }
        Case("open.many-at-once") { t in
            try t.make("a", "text")
            let files = try (0..<200).map { _ in try t.open("a", O_RDONLY) }
            for file in files { try expectEqual(try file.text(), "text") }
        }
        Case("open.flags-as-they-were-given", needs: .kernel) { t in
            let file = try t.open("a", O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK)
            let flags = try call(ck_fcntl_int(file.number, F_GETFL, 0))
            try expectEqual(flags & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_APPEND | O_NONBLOCK)
        }
        Case("open.by-proc-with-other-rights", needs: .kernel) { t in
            let file = try t.readOnly("a", "text")
            let path = "/proc/thread-self/fd/\(file.number)"
            let again = try call(ck_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0))
            defer { close(again) }
            try expectEqual(try call(pwrite64(again, "TE", 2, 0)), 2)
            try expectEqual(try file.text(), "TExt")
        }
        Case("open.executable-being-written-is-busy", needs: .kernel) { t in
            let file = try t.create("a", "#!/bin/sh\n", 0o755)
            let status = try t.spawn("a")
            try expectEqual(status, ETXTBSY)
            file.close()
        }
        Case("open.mode-0-can-be-used-by-its-maker") { t in
            let file = try t.open("a", O_RDWR | O_CREAT, 0)
            try file.write("text")
            try expectEqual(try file.text(), "text")
            try expectEqual(try t.stat("a").permissions, 0)
        }
    }

    /// `O_TMPFILE`.
    @CaseList static var temporaryFiles: [Case] {
        Case("tmpfile.has-no-name", needs: .kernel) { t in
            let file = try t.open(".", O_RDWR | ck_o_tmpfile, 0o600)
            try file.write("text")
            try expectEqual(try file.text(), "text")
            try expectEqual(try file.status.links, 0)
            try expectEqual(try file.status.permissions, 0o600)
            try expectEqual(try t.names(), [])
        }
        Case("tmpfile.given-a-name", needs: .kernel) { t in
            let file = try t.open(".", O_RDWR | ck_o_tmpfile, 0o644)
            try file.write("text")
            let path = "/proc/thread-self/fd/\(file.number)"
            try call(linkat(AT_FDCWD, path, t.folder, "a", AT_SYMLINK_FOLLOW))
            try expectEqual(try t.text("a"), "text")
            try expectEqual(try file.status.links, 1)
        }
        Case("tmpfile.exclusive-can't-be-given-a-name", needs: .kernel) { t in
            let file = try t.open(".", O_RDWR | ck_o_tmpfile | O_EXCL, 0o644)
            let path = "/proc/thread-self/fd/\(file.number)"
            try expectError(.noSuchFileOrDirectory) {
                try call(linkat(AT_FDCWD, path, t.folder, "a", AT_SYMLINK_FOLLOW))
            }
        }
        Case("tmpfile.read-only-is-refused", needs: .kernel) { t in
            try expectError(.invalidArgument) { _ = try t.open(".", O_RDONLY | ck_o_tmpfile, 0o644) }
        }
        Case("tmpfile.in-missing-or-file-is-refused", needs: .kernel) { t in
            try t.make("f")
            try expectError(.noSuchFileOrDirectory) { _ = try t.open("no", O_RDWR | ck_o_tmpfile, 0o644) }
            try expectError(.notDirectory) { _ = try t.open("f", O_RDWR | ck_o_tmpfile, 0o644) }
        }
        Case("tmpfile.two-are-two", needs: .kernel) { t in
            let one = try t.open(".", O_RDWR | ck_o_tmpfile, 0o600)
            let two = try t.open(".", O_RDWR | ck_o_tmpfile, 0o600)
            try one.write("one")
            try two.write("two")
            try expectEqual(try one.text() + two.text(), "onetwo")
            try expect(try one.status.inode != two.status.inode, "one inode")
        }
    }
}

extension Scene {
    /// Makes a file with that text and opens it for reading.
    fileprivate func readOnly(_ path: Path, _ text: String) throws -> File {
        try make(path, text)
        return try open(path, O_RDONLY)
    }

    fileprivate func discard(_ file: File) { file.close() }

    /// Starts a program; its errno if it can't be started.
    fileprivate func spawn(_ path: Path) throws -> Int32 {
        var child: pid_t = 0
        let whole = Path("/proc/self/fd/\(folder)") / path
        let error = whole.withPointer { path in
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(path), nil]
            defer { free(arguments[0]) }
            return posix_spawn(&child, path, nil, nil, &arguments, ck_environ())
        }
        if error == 0 { waitpid(child, nil, 0) }
        return error
    }
}
