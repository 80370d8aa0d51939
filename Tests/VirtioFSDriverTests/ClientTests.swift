import CKernel
import FUSEWire
import SystemPackage
import Testing
import VirtioFSDriver
import VirtioTestSupport

/// Each call of the async client, with the host folder as oracle.
struct ClientTests {
    @Test("CREATE, WRITE, READ: the bytes are the host's, at any offset and in any size")
    func content() async throws {
        try await ClientUnderTest.run { test in
            let (client, caller) = (test.client, test.caller)
            let (entry, open) = try await client.create(
                .root, "file", mode: 0o640, flags: O_RDWR | O_CREAT | O_EXCL, as: caller)
            let (node, handle) = (NodeID(rawValue: entry.nodeid), FileHandle(rawValue: open.fh))
            let sent = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 1)
            let back = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 1)
            defer {
                sent.deallocate()
                back.deallocate()
            }
            for index in sent.indices { sent[index] = UInt8(truncatingIfNeeded: index &* 31 >> 3) }
            for (offset, count) in [(0, 1), (1, 4096), (5000, 100_000), (3, 1 << 20), (1 << 20, 77)] {
                let piece = UnsafeRawBufferPointer(rebasing: sent[..<count])
                #expect(try await client.write(node, handle, at: UInt64(offset), from: piece, as: caller) == count)
                let room = UnsafeMutableRawBufferPointer(rebasing: back[..<count])
                #expect(try await client.read(node, handle, at: UInt64(offset), into: room, as: caller) == count)
                #expect(room.elementsEqual(piece))
            }
            let size = UInt64(1 << 20) + 77
            #expect(try await client.read(node, handle, at: size - 5, into: back, as: caller) == 5)
            #expect(try await client.read(node, handle, at: size, into: back, as: caller) == 0)
            try await client.fsync(node, handle, as: caller)
            try await client.flush(node, handle, as: caller)
            try await client.release(node, handle, as: caller)
            let status = try test.hostStatus("file")
            #expect(status.st_mode == UInt32(S_IFREG) | 0o640)
            #expect(UInt64(status.st_size) == size)
        }
    }

    @Test("Names: mkdir, symlink, mknod, link, rename, unlink and rmdir do on the host what they say")
    func names() async throws {
        try await ClientUnderTest.run { test in
            let (client, caller) = (test.client, test.caller)
            let folder = NodeID(rawValue: try await client.mkdir(.root, "d", mode: 0o1775, as: caller).nodeid)
            #expect(try test.hostStatus("d").st_mode & 0o7777 == 0o1755)
            _ = try await client.symlink(folder, "link", target: "../somewhere", as: caller)
            let link = NodeID(rawValue: try await client.lookup(folder, "link", as: caller).nodeid)
            #expect(try await client.readlink(link, as: caller) == "../somewhere")
            let fifo = try await client.mknod(folder, "fifo", mode: UInt32(S_IFIFO) | 0o666, as: caller)
            #expect(try test.hostStatus("d/fifo").st_mode == S_IFIFO | 0o644)
            _ = try await client.link(NodeID(rawValue: fifo.nodeid), to: .root, "fifo2", as: caller)
            #expect(try test.hostStatus("fifo2").st_nlink == 2)
            try await client.rename(.root, "fifo2", to: folder, "moved", as: caller)
            #expect(try test.hostStatus("d/moved").st_nlink == 2)
            #expect(
                await failure { () async throws(Errno) in
                    try await client.rename(
                        folder, "moved", to: folder, "link", flags: UInt32(RENAME_NOREPLACE), as: caller)
                } == .fileExists)
            try await client.rename(folder, "moved", to: folder, "link", flags: UInt32(RENAME_EXCHANGE), as: caller)
            #expect(try test.hostStatus("d/moved").st_mode & UInt32(S_IFMT) == S_IFLNK)
            for name in ["moved", "link", "fifo"] as [EntryName] { try await client.unlink(folder, name, as: caller) }
            try await client.rmdir(.root, "d", as: caller)
            #expect(await failure { () async throws(Errno) in try await test.node("d") } == .noSuchFileOrDirectory)
        }
    }

    @Test("Names that are not UTF-8, with newlines and of 255 bytes come back from the listings as they are")
    func listings() async throws {
        try await ClientUnderTest.run { test in
            let (client, caller) = (test.client, test.caller)
            var names: Set<EntryName> = [
                EntryName([0xFF, 0x0A, 0x20]), EntryName([UInt8](repeating: 0x78, count: 255)),
            ]
            for index in 0..<700 { names.insert(EntryName("entry-\(index)")) }
            for name in names { _ = try await client.mknod(.root, name, mode: UInt32(S_IFREG) | 0o600, as: caller) }
            let handle = FileHandle(rawValue: try await client.opendir(.root, as: caller).fh)
            for plus in [false, true] {
                var found: [EntryName] = []
                var withoutNode = 0
                var cookie: UInt64 = 0
                while true {
                    let entries =
                        plus
                        ? try await client.readdirplus(.root, handle, after: cookie, as: caller)
                        : try await client.readdir(.root, handle, after: cookie, size: 4096, as: caller)
                    guard let last = entries.last else { break }
                    cookie = last.cookie
                    found += entries.map(\.name)
                    let files = entries.filter { names.contains($0.name) }
                    #expect(files.allSatisfy { $0.type == UInt8(DT_REG) })
                    withoutNode += files.count { $0.found?.nodeid == 0 }
                }
                #expect(found.count == names.count + 2)
                #expect(Set(found) == names.union([".", ".."]))
                // The device leaves one out, to see whether it is looked up.
                #expect(withoutNode == (plus ? 1 : 0))
            }
            try await client.fsyncdir(.root, handle, as: caller)
            try await client.releasedir(.root, handle, as: caller)
            #expect(client.heldLookups == UInt64(2 * names.count - 1))
        }
    }

    @Test("Attributes: getattr, setattr, statx and statfs agree with the host")
    func attributes() async throws {
        try await ClientUnderTest.run { test in
            let (client, caller) = (test.client, test.caller)
            try test.folder.add("file", Array("0123456789".utf8))
            let node = try await test.node("file")
            var changes = fuse_setattr_in()
            changes.valid = UInt32(FATTR_MODE | FATTR_SIZE | FATTR_MTIME)
            (changes.mode, changes.size, changes.mtime, changes.mtimensec) = (0o751, 7, 12345, 678)
            let changed = try await client.setattr(node, changes, as: caller).attr
            let seen = try await client.getattr(node, as: caller).attr
            let host = try test.hostStatus("file")
            for attributes in [changed, seen] {
                #expect(attributes.mode == host.st_mode && attributes.size == 7 && attributes.ino == host.st_ino)
                #expect(attributes.mtime == 12345 && attributes.mtimensec == 678)
            }
            #expect(host.st_mtim.tv_sec == 12345 && host.st_mtim.tv_nsec == 678)
            let more = try await client.statx(node, mask: UInt32(STATX_BASIC_STATS), as: caller)
            #expect(UInt32(more.mode) == host.st_mode && more.size == 7 && more.ctime.tv_nsec == host.st_ctim.tv_nsec)
            try await client.access(node, mask: UInt32(R_OK), as: caller)
            var space = statvfs()
            #expect(statvfs(test.folder.path.string, &space) == 0)
            let found = try await client.statfs(.root, as: caller)
            #expect(found.blocks == space.f_blocks && found.namelen == 255)
            try await client.syncfs(as: caller)
        }
    }

    @Test("Extended attributes: set, got, sized, listed, removed")
    func extendedAttributes() async throws {
        try await ClientUnderTest.run { test in
            let (client, caller) = (test.client, test.caller)
            try test.folder.add("file")
            let node = try await test.node("file")
            let value = (0..<3000).map { UInt8(truncatingIfNeeded: $0) }
            try await client.setxattr(node, "user.a", value, flags: UInt32(XATTR_CREATE), as: caller)
            try await client.setxattr(node, "user.b", [], as: caller)
            #expect(getxattr(test.hostPath("file"), "user.a", nil, 0) == value.count)
            #expect(try await client.getxattr(node, "user.a", as: caller) == value)
            #expect(try await client.getxattr(node, "user.b", as: caller) == [])
            #expect(try await client.getxattrSize(node, "user.a", as: caller) == value.count)
            #expect(Set(try await client.listxattr(node, as: caller)) == ["user.a", "user.b"])
            #expect(try await client.listxattrSize(node, as: caller) == 14)
            #expect(
                await failure { () async throws(Errno) in
                    try await client.getxattr(node, "user.a", size: 10, as: caller)
                } == .outOfRange)
            try await client.removexattr(node, "user.a", as: caller)
            #expect(
                await failure { () async throws(Errno) in
                    try await client.getxattr(node, "user.a", as: caller)
                } == .noData)
        }
    }

    @Test("Space: fallocate, holes, copies between files, and a file without a name")
    func space() async throws {
        try await ClientUnderTest.run { test in
            let (client, caller) = (test.client, test.caller)
            try test.folder.add("from", [UInt8](repeating: 7, count: 10_000))
            try test.folder.add("to")
            try await test.withFile("from", O_RDWR) { from, source in
                try await test.withFile("to", O_RDWR) { to, target in
                    let copied = try await client.copyFileRange(
                        from: (from, source, 1000), to: (to, target, 5), count: 2000, as: caller)
                    #expect(copied == 2000)
                    let content = try test.folder.content("to")
                    #expect(content == [0, 0, 0, 0, 0] + [UInt8](repeating: 7, count: 2000))
                    try await client.fallocate(to, target, at: 0, length: 1 << 20, mode: 0, as: caller)
                    #expect(try test.hostStatus("to").st_size == 1 << 20)
                }
                let end = try await client.lseek(from, source, to: 0, whence: UInt32(SEEK_HOLE), as: caller)
                #expect(end == 10_000)
                #expect(try await client.poll(from, source, events: UInt32(POLLIN), as: caller) == UInt32(POLLIN))
            }
            let (entry, open) = try await client.tmpfile(.root, mode: 0o600, flags: O_RDWR | ck_o_tmpfile, as: caller)
            let node = NodeID(rawValue: entry.nodeid)
            _ = try await client.link(node, to: .root, "named", as: caller)
            #expect(try test.hostStatus("named").st_nlink == 1)
            try await client.release(node, FileHandle(rawValue: open.fh), as: caller)
        }
    }

    @Test("IOCTL: a file's flags are read and set, and any other command is ENOTTY")
    func control() async throws {
        try await ClientUnderTest.run { test in
            let (client, caller) = (test.client, test.caller)
            try test.folder.add("file")
            try await test.withFile("file", O_RDWR) { node, handle in
                let (result, flags) = try await client.ioctl(
                    node, handle, command: ck_fs_ioc_getflags, outputSize: 8, as: caller)
                #expect(result == 0 && flags.count == 4)
                var changed = flags
                changed[0] |= UInt8(FS_NODUMP_FL)
                _ = try await client.ioctl(node, handle, command: ck_fs_ioc_setflags, input: changed, as: caller)
                let (_, after) = try await client.ioctl(
                    node, handle, command: ck_fs_ioc_getflags, outputSize: 8, as: caller)
                #expect(after == changed)
                #expect(
                    await failure { () async throws(Errno) in
                        try await client.ioctl(node, handle, command: 0x5401, outputSize: 60, as: caller)
                    } == .inappropriateIOCTLForDevice)
            }
        }
    }

    @Test("What the device refuses is thrown, and what can't be sent is refused here")
    func errors() async throws {
        try await ClientUnderTest.run { test in
            let (client, caller) = (test.client, test.caller)
            #expect(await failure { () async throws(Errno) in try await test.node("no") } == .noSuchFileOrDirectory)
            #expect(
                await failure { () async throws(Errno) in
                    try await client.lookup(.root, EntryName([UInt8](repeating: 0x61, count: 256)), as: caller)
                } == .fileNameTooLong)
            #expect(
                await failure { () async throws(Errno) in
                    try await client.setxattr(
                        .root, "user.x", [UInt8](repeating: 0, count: 2 << 20), as: caller)
                } == .argListTooLong)
            #expect(
                await failure { () async throws(Errno) in
                    try await client.getattr(NodeID(rawValue: 99), as: caller)
                } == Errno(rawValue: ESTALE))
        }
    }
}
