import CKernel
import FUSEWire
import Syscalls
import SystemPackage
import Testing

@testable import HostDirectory

@Suite struct CreateTests {
    let share: Share
    init() throws { share = try Share() }

    @Test("What is created belongs to who asked, with the mode that was sent, less the umask where that is left to us")
    func ownership() throws { try onOwnThread { try checkOwnership() } }

    private func checkOwnership() throws {
        let request = share.request(uid: 1234, gid: 4321)
        chmod(share.root, 0o700)  // the client's kernel has checked, not the host
        let creating = fuse_create_in(flags: UInt32(O_RDWR), mode: 0o666, umask: 0o77, open_flags: 0)
        let entries = [
            try share.fs.create(.root, share.name("file"), creating, request).entry,
            try share.fs.mkdir(.root, share.name("folder"), fuse_mkdir_in(mode: 0o1775, umask: 0o77), request),
            try share.fs.symlink(.root, share.name("link"), target: share.name("any/where"), request),
            try share.fs.mknod(
                .root, share.name("fifo"),
                fuse_mknod_in(mode: UInt32(S_IFIFO) | 0o640, rdev: 0, umask: 0, padding: 0), request),
            try share.fs.mknod(
                .root, share.name("null"),
                fuse_mknod_in(mode: UInt32(S_IFCHR) | 0o600, rdev: 1 << 8 | 3, umask: 0, padding: 0), request),
        ]
        let expected: [(String, Int)] = [
            ("file", Int(S_IFREG) | 0o600), ("folder", Int(S_IFDIR) | 0o1700), ("link", Int(S_IFLNK) | 0o777),
            ("fifo", Int(S_IFIFO) | 0o640), ("null", Int(S_IFCHR) | 0o600),
        ]
        for (entry, (name, mode)) in zip(entries, expected) {
            #expect(entry.attr.isEqual(to: share.status(name)), "\(name)")
            #expect(Int(entry.attr.mode) == mode && entry.attr.uid == 1234 && entry.attr.gid == 4321, "\(name)")
        }
        #expect(share.status("null").st_rdev == ck_makedev(1, 3))
        #expect(share.fs.lookupCount == 5)
        #expect(geteuid() == share.status("").st_uid)
    }

    @Test("READLINK returns the target, byte for byte")
    func readlink() throws {
        let target: [UInt8] = [0x2f, 0xff, 0x0a, 0x20, 0x80]
        let entry = try share.fs.symlink(.root, share.name("l"), target: share.name(target), share.request())
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4095, alignment: 1)
        defer { buffer.deallocate() }
        let count = try share.fs.readlink(NodeID(rawValue: entry.nodeid), into: buffer, share.request())
        #expect(Array(buffer[..<count]) == target)
        #expect(errorOf { try share.fs.readlink(.root, into: buffer, share.request()) } == .invalidArgument)
    }

    @Test("CREATE with O_EXCL refuses what is there; without, it opens it, and truncates only when asked")
    func existing() throws {
        Share.write("old", to: share.path("file"))
        #expect(errorOf { try share.create("file", O_RDWR | O_EXCL) } == .fileExists)
        let (node, handle) = try share.create("file")
        #expect(try share.read(node, handle) == "old")
        _ = try share.create("file", O_WRONLY | O_TRUNC)
        #expect(share.contents("file") == "")
        #expect(share.fs.lookupCount == 2 && share.fs.inodeCount == 2)
    }

    @Test("LINK gives a file and a symbolic link another name; RENAME moves, exchanges, and refuses to replace")
    func linkAndRename() throws {
        Share.write("a", to: share.path("a"))
        Share.write("b", to: share.path("b"))
        symlink("a", share.path("s"))
        mkdir(share.path("sub"), 0o755)
        let (a, s, sub) = (try share.node("a"), try share.node("s"), try share.node("sub"))
        let linked = try share.fs.link(a, to: sub, share.name("c"), share.request())
        #expect(linked.nodeid == a.rawValue && linked.attr.nlink == 2)
        _ = try share.fs.link(s, to: .root, share.name("s2"), share.request())
        #expect(share.status("s2").st_ino == share.status("s").st_ino)
        func rename(_ old: String, _ new: String, to folder: NodeID = .root, _ flags: UInt32 = 0) throws {
            try share.fs.rename(
                .root, share.name(old), to: folder, share.name(new), flags: flags, share.request())
        }
        #expect(errorOf { try rename("b", "a", UInt32(RENAME_NOREPLACE)) } == .fileExists)
        try rename("a", "b", UInt32(RENAME_EXCHANGE))
        #expect(share.contents("a") == "b" && share.contents("b") == "a")
        try rename("b", "d", to: sub)
        #expect(share.contents("sub/d") == "a")
        #expect(try share.node("d", in: sub) == a)
        #expect(errorOf { try share.fs.rmdir(.root, share.name("sub"), share.request()) } == .directoryNotEmpty)
        #expect(errorOf { try share.fs.unlink(.root, share.name("sub"), share.request()) } == .isDirectory)
        #expect(errorOf { try share.fs.rmdir(.root, share.name("a"), share.request()) } == .notDirectory)
    }

    @Test("A read-only share refuses every change by itself, and still reads")
    func readOnly() throws {
        let share = try Share(HostDirectoryOptions(readOnly: true))
        Share.write("text", to: share.path("file"))
        let (node, x, request) = (try share.node("file"), share.name("x"), share.request())
        let file = share.name("file")
        let changes: [() throws -> Void] = [
            { _ = try share.create("x") }, { _ = try share.open(node, O_WRONLY) },
            { _ = try share.open(node, O_RDONLY | O_TRUNC) }, { _ = try share.change(node) { $0.valid = 1 } },
            { _ = try share.fs.mkdir(.root, x, fuse_mkdir_in(), request) },
            { _ = try share.fs.mknod(.root, x, fuse_mknod_in(), request) },
            { _ = try share.fs.symlink(.root, x, target: x, request) },
            { _ = try share.fs.link(node, to: .root, x, request) },
            { try share.fs.unlink(.root, file, request) }, { try share.fs.rmdir(.root, file, request) },
            { try share.fs.rename(.root, file, to: .root, x, flags: 0, request) },
            { try share.write("x", node, share.open(node, O_RDONLY)) },
            { try share.fs.access(node, mask: UInt32(W_OK), request) },
        ]
        for (index, change) in changes.enumerated() { #expect(errorOf(change) == .readOnlyFileSystem, "\(index)") }
        #expect(try share.read(node, share.open(node, O_RDONLY)) == "text")
        #expect(share.contents("file") == "text" && Share.names(in: share.root) == ["file"])
    }

    @Test("What is open is held without a name, with open_tree(2) and where it is refused", arguments: [true, false])
    func held(usesOpenTree: Bool) throws {
        let folder = OwnedDescriptor(
            owning: try FileDescriptor.workingFolder.openAt("/proc/self/fd", flags: O_PATH | O_DIRECTORY))
        let descriptors = DescriptorFolder(folder, isWorkingFolder: false, usesOpenTree: usesOpenTree)
        let file = OwnedDescriptor(
            owning: try FileDescriptor.workingFolder.openAt(share.path("file"), flags: O_RDWR | O_CREAT, mode: 0o600))
        Share.write("another", to: share.path("other"))
        try #require(rename(share.path("other"), share.path("file")) == 0)
        let held = try descriptors.hold(file.descriptor)
        var (open, other) = (CKernel.statx(), CKernel.statx())
        try file.descriptor.status(mask: UInt32(STATX_BASIC_STATS), into: &open)
        try held.descriptor.status(mask: UInt32(STATX_BASIC_STATS), into: &other)
        #expect(open.stx_ino == other.stx_ino && open.stx_dev_minor == other.stx_dev_minor && other.stx_nlink == 0)
        #expect(lseek(held.descriptor.rawValue, 0, SEEK_SET) == -1, "an O_PATH descriptor has no place")
    }
}
