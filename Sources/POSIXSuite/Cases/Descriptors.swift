import CKernel
import SystemPackage

/// What descriptors share, tell and can be asked for.
extension Suite {
    @CaseList static var descriptors: [Case] {
        Case("fd.duplicate-shares-position-and-flags", needs: .kernel) { t in
            let file = try t.create("f", "0123456789")
            let copy = try call(dup(file.number))
            defer { close(copy) }
            _ = try file.seek(5, SEEK_SET)
            var byte: UInt8 = 0
            try expectEqual(try call(read(copy, &byte, 1)), 1)
            try expectEqual(byte, UInt8(ascii: "5"))
            try expectEqual(try file.seek(0, SEEK_CUR), 6)
        }
        Case("fd.two-opens-have-positions-of-their-own", needs: .kernel) { t in
            let one = try t.create("f", "0123456789")
            let two = try t.open("f")
            _ = try one.seek(5, SEEK_SET)
            try expectEqual(try two.seek(0, SEEK_CUR), 0)
        }
        Case("fd.proc-shows-the-path", needs: .kernel) { t in
            let file = try t.create("f")
            var path = [CChar](repeating: 0, count: 4096)
            let count = try call(readlinkat(AT_FDCWD, "/proc/thread-self/fd/\(file.number)", &path, 4096))
            let text = String(decoding: path.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            try expect(text.hasSuffix("/f"), text)
        }
        Case("fd.file-status-and-path-status-agree") { t in
            let file = try t.create("f", "text")
            let (one, two) = (try file.status, try t.stat("f"))
            try expectEqual(one.inode, two.inode)
            try expectEqual(one.modified, two.modified)
            try expectEqual(one.changed, two.changed)
            try expectEqual(one.size, two.size)
        }
        Case("fd.device-number-is-that-of-the-folder", needs: .kernel) { t in
            try t.mkdir("d")
            try t.make("d/f")
            let file = try readStatus(t.folder, "d/f", 0)
            let folder = try readStatus(t.folder, "", AT_EMPTY_PATH)
            try expectEqual([file.stx_dev_major, file.stx_dev_minor], [folder.stx_dev_major, folder.stx_dev_minor])
        }
        Case("fd.close-gives-late-errors-none", needs: .kernel) { t in
            let number = try t.files.open("f", O_RDWR | O_CREAT, 0o644)
            try expectEqual(try call(write(number, "text", 4)), 4)
            try expectEqual(close(number), 0)
        }
        Case("fd.poll-says-ready", needs: .kernel) { t in
            let file = try t.create("f", "text")
            var polled = pollfd(fd: file.number, events: Int16(POLLIN | POLLOUT), revents: 0)
            try expectEqual(try call(poll(&polled, 1, 0)), 1)
            try expectEqual(Int32(polled.revents), POLLIN | POLLOUT)
        }
        Case("fd.lease-on-one's-own-file", needs: .kernel) { t in
            try t.make("f")
            let file = try t.open("f", O_RDONLY)
            try call(ck_fcntl_int(file.number, F_SETLEASE, F_RDLCK))
            try call(ck_fcntl_int(file.number, F_SETLEASE, F_UNLCK))
        }
        Case("fd.file-flags", needs: .kernel) { t in
            let file = try t.create("f", "text")
            var flags: Int = 0
            try call(ck_ioctl(file.number, UInt(ck_fs_ioc_getflags), &flags))
            try expect(flags & Int(FS_IMMUTABLE_FL | FS_APPEND_FL) == 0, "\(flags)")
        }
        Case("fd.append-only-file-flag", needs: [.kernel, .users]) { t in
            let file = try t.create("f", "text")
            var flags: Int = 0
            try call(ck_ioctl(file.number, UInt(ck_fs_ioc_getflags), &flags))
            var changed = flags | Int(FS_APPEND_FL)
            try call(ck_ioctl(file.number, UInt(ck_fs_ioc_setflags), &changed))
            defer { _ = ck_ioctl(file.number, UInt(ck_fs_ioc_setflags), &flags) }
            try expectError(.notPermitted) { try t.unlink("f") }
            try expectError(.notPermitted) { _ = try t.open("f", O_WRONLY) }
            let appending = try t.open("f", O_WRONLY | O_APPEND)
            try expectEqual(try call(write(appending.number, "x", 1)), 1)
        }
        Case("fd.immutable-file-flag", needs: [.kernel, .users]) { t in
            let file = try t.create("f", "text")
            var flags: Int = 0
            try call(ck_ioctl(file.number, UInt(ck_fs_ioc_getflags), &flags))
            var changed = flags | Int(FS_IMMUTABLE_FL)
            try call(ck_ioctl(file.number, UInt(ck_fs_ioc_setflags), &changed))
            defer { _ = ck_ioctl(file.number, UInt(ck_fs_ioc_setflags), &flags) }
            try expectError(.notPermitted) { try t.unlink("f") }
            try expectError(.notPermitted) { _ = try t.open("f", O_WRONLY) }
            try expectError(.notPermitted) { try t.chmod("f", 0o600) }
            try expectError(.notPermitted) { try t.link("f", "g") }
        }
        Case("fd.unknown-ioctl-is-refused", needs: .kernel) { t in
            let file = try t.create("f")
            var argument = 0
            try expectError(.inappropriateIOCTLForDevice) { try call(ck_ioctl(file.number, 0x1234_5678, &argument)) }
        }
        Case("fd.bytes-ready-ioctl", needs: .kernel) { t in
            let file = try t.create("f", "0123456789")
            _ = try file.seek(3, SEEK_SET)
            var ready: Int32 = 0
            try call(ck_ioctl(file.number, UInt(FIONREAD), &ready))
            try expectEqual(ready, 7)
        }
        Case("fd.a-hundred-folders-open", needs: .kernel) { t in
            var open: [File] = []
            for number in 0..<100 {
                try t.mkdir("d\(number)")
                open.append(try t.open("d\(number)", O_RDONLY | O_DIRECTORY))
            }
            for file in open { try openAndClose(file.number, "f", O_CREAT | O_WRONLY) }
            try expectEqual(try t.names("d99"), ["f"])
        }
    }
}
