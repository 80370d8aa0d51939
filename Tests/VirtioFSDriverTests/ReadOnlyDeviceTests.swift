import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing
import VirtioFSDriver
import VirtioTestSupport

/// A device that refuses every change by itself, whatever its driver's mount allows.
struct ReadOnlyDeviceTests {
    @Test("With --readonly the device answers EROFS to every change, and nothing on the host changes")
    func everyChange() async throws {
        try await ClientUnderTest.run(serving: HostDirectoryOptions(readOnly: true)) { test in
            try test.folder.add("file", Array("content".utf8))
            try test.folder.addFolder("folder")
            let before = try [".", "file", "folder"].map { try State(test, $0) }
            let node = try await test.node("file")
            for (name, change) in changes(test, node) {
                #expect(await failure(change) == .readOnlyFileSystem, "\(name)")
            }
            try await test.withFile("file", O_RDONLY) { node, handle in
                for (name, change) in changes(test, node, handle) {
                    #expect(await failure(change) == .readOnlyFileSystem, "\(name)")
                }
            }
            #expect(try [".", "file", "folder"].map { try State(test, $0) } == before)
            #expect(try test.folder.content("file") == Array("content".utf8))
        }
    }

    @Test("What is no change is served by a device with --readonly")
    func reading() async throws {
        try await ClientUnderTest.run(serving: HostDirectoryOptions(readOnly: true)) { test in
            try test.folder.add("file", Array("content".utf8))
            let (client, caller) = (test.client, test.caller)
            try await client.access(.root, mask: UInt32(R_OK | X_OK), as: caller)
            _ = try await client.statfs(.root, as: caller)
            try await test.withFile("file", O_RDONLY) { node, handle in
                let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 1)
                defer { room.deallocate() }
                #expect(try await client.read(node, handle, at: 0, into: room, as: caller) == 7)
                try await client.fsync(node, handle, as: caller)
                try await client.flush(node, handle, as: caller)
                #expect(try await client.getattr(node, handle, as: caller).attr.size == 7)
            }
        }
    }

    /// What a change would show in.
    private struct State: Equatable {
        let mode, links, owner: UInt64
        let size, modified, changed: Int

        init(_ test: ClientUnderTest, _ name: String) throws {
            let status = try test.hostStatus(name)
            (mode, links, owner) = (UInt64(status.st_mode), UInt64(status.st_nlink), UInt64(status.st_uid))
            size = Int(status.st_size)
            modified = status.st_mtim.tv_sec &* 1_000_000_000 &+ status.st_mtim.tv_nsec
            changed = status.st_ctim.tv_sec &* 1_000_000_000 &+ status.st_ctim.tv_nsec
        }
    }

    private typealias Change = (String, () async throws(Errno) -> Void)

    /// By name and node.
    private func changes(_ test: ClientUnderTest, _ node: NodeID) -> [Change] {
        let (client, caller) = (test.client, test.caller)
        return makings(test, node) + [
            ("unlink", { () async throws(Errno) in try await client.unlink(.root, "file", as: caller) }),
            ("rmdir", { () async throws(Errno) in try await client.rmdir(.root, "folder", as: caller) }),
            (
                "rename",
                { () async throws(Errno) in try await client.rename(.root, "file", to: .root, "n", as: caller) }
            ),
            (
                "exchange",
                { () async throws(Errno) in
                    try await client.rename(.root, "file", to: .root, "folder", flags: 2, as: caller)
                }
            ),
            (
                "setattr",
                { () async throws(Errno) in
                    var change = fuse_setattr_in()
                    (change.valid, change.mode) = (UInt32(FATTR_MODE), 0o600)
                    _ = try await client.setattr(node, change, as: caller)
                }
            ),
            ("setxattr", { () async throws(Errno) in try await client.setxattr(node, "user.a", [1], as: caller) }),
            ("removexattr", { () async throws(Errno) in try await client.removexattr(node, "user.a", as: caller) }),
            ("open", { () async throws(Errno) in _ = try await client.open(node, flags: O_WRONLY, as: caller) }),
            (
                "open and truncate",
                { () async throws(Errno) in _ = try await client.open(node, flags: O_RDONLY | O_TRUNC, as: caller) }
            ),
            ("access", { () async throws(Errno) in try await client.access(node, mask: UInt32(W_OK), as: caller) }),
        ]
    }

    private func makings(_ test: ClientUnderTest, _ node: NodeID) -> [Change] {
        let (client, caller) = (test.client, test.caller)
        let file = UInt32(S_IFREG) | 0o644
        return [
            ("mkdir", { () async throws(Errno) in _ = try await client.mkdir(.root, "n", mode: 0o755, as: caller) }),
            ("mknod", { () async throws(Errno) in _ = try await client.mknod(.root, "n", mode: file, as: caller) }),
            (
                "symlink",
                { () async throws(Errno) in _ = try await client.symlink(.root, "n", target: "t", as: caller) }
            ),
            ("link", { () async throws(Errno) in _ = try await client.link(node, to: .root, "n", as: caller) }),
            (
                "create",
                { () async throws(Errno) in
                    _ = try await client.create(.root, "n", mode: 0o644, flags: O_RDWR | O_CREAT, as: caller)
                }
            ),
            (
                "tmpfile",
                { () async throws(Errno) in
                    _ = try await client.tmpfile(.root, mode: 0o644, flags: O_RDWR, as: caller)
                }
            ),
        ]
    }

    /// By an open file, which is open for reading: EROFS comes before EBADF.
    private func changes(_ test: ClientUnderTest, _ node: NodeID, _ handle: FileHandle) -> [Change] {
        let (client, caller) = (test.client, test.caller)
        return [
            (
                "write",
                { () async throws(Errno) in
                    let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
                    defer { byte.deallocate() }
                    _ = try await client.write(node, handle, at: 0, from: UnsafeRawBufferPointer(byte), as: caller)
                }
            ),
            (
                "fallocate",
                { () async throws(Errno) in
                    try await client.fallocate(node, handle, at: 0, length: 1 << 20, mode: 0, as: caller)
                }
            ),
            (
                "copy_file_range",
                { () async throws(Errno) in
                    _ = try await client.copyFileRange(
                        from: (node, handle, 0), to: (node, handle, 4), count: 3, as: caller)
                }
            ),
            (
                "ioctl",
                { () async throws(Errno) in
                    _ = try await client.ioctl(
                        node, handle, command: ck_fs_ioc_setflags, input: [0x80, 0, 0, 0, 0, 0, 0, 0], as: caller)
                }
            ),
        ]
    }
}
