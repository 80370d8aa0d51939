import CKernel
import FUSEWire
import HostDirectory
import Syscalls
import SystemPackage
import Testing

@Suite struct SpaceTests {
    let share: Share
    init() throws { share = try Share() }

    private func allocate(_ node: NodeID, _ handle: UInt64, _ mode: Int32, _ offset: UInt64, _ length: UInt64) throws {
        let arguments = fuse_fallocate_in(fh: handle, offset: offset, length: length, mode: UInt32(mode), padding: 0)
        try share.fs.fallocate(node, arguments, share.request())
    }

    private func seek(_ node: NodeID, _ handle: UInt64, _ offset: UInt64, _ whence: Int32) throws -> UInt64 {
        let arguments = fuse_lseek_in(fh: handle, offset: offset, whence: UInt32(whence), padding: 0)
        return try share.fs.lseek(node, arguments, share.request())
    }

    @Test("FALLOCATE does to a file just what the host's call does, in every mode, and throws its errors")
    func fallocate() throws {
        let modes = [
            0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
            FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE,
            FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_PUNCH_HOLE, 0x4000,
        ]
        for (index, mode) in modes.enumerated() {
            let (mine, oracle) = ("mine \(index)", "oracle \(index)")
            for name in [mine, oracle] { Share.write(String(repeating: "x", count: 16384), to: share.path(name)) }
            let node = try share.node(mine)
            let handle = try share.open(node, O_RDWR)
            let host = open(share.path(oracle))
            defer { close(host) }
            for (offset, length) in [(4096, 4096), (16384, 8192), (0, 0), (1, 4096)] {
                let expected = errorOfHost { fallocate64(host, Int32(mode), offset, length) }
                let seen = errorOf { try allocate(node, handle, Int32(mode), UInt64(offset), UInt64(length)) }
                #expect(seen == expected, "mode \(mode), \(offset), \(length)")
            }
            #expect(share.status(mine).st_size == share.status(oracle).st_size, "mode \(mode)")
            #expect(share.status(mine).st_blocks == share.status(oracle).st_blocks, "mode \(mode)")
            #expect(share.contents(mine) == share.contents(oracle), "mode \(mode)")
        }
        let (node, handle) = try share.create("file")
        #expect(errorOf { try allocate(node, handle, 0, 1 << 63, 1) } == .invalidArgument)
        #expect(errorOf { try allocate(node, 77, 0, 0, 1) } == .badFileDescriptor)
    }

    @Test(
        "FALLOCATE and COPY_FILE_RANGE of an ordinary user clear set-user-ID and set-group-ID, root's don't",
        arguments: [0, 1234])
    func killingSetID(uid: UInt32) throws {
        let (from, source) = try share.create("from")
        try share.write("data", from, source)
        for name in ["allocated", "copied"] {
            let (node, handle) = try share.create(name)
            chmod(share.path(name), 0o6777)
            if name == "copied" {
                let arguments = fuse_copy_file_range_in(
                    fh_in: source, off_in: 0, nodeid_out: node.rawValue, fh_out: handle, off_out: 0, len: 4, flags: 0)
                #expect(try share.fs.copyFileRange(from, arguments, share.request(uid: uid)) == 4)
            } else {
                let arguments = fuse_fallocate_in(fh: handle, offset: 0, length: 100, mode: 0, padding: 0)
                try share.fs.fallocate(node, arguments, share.request(uid: uid))
            }
            #expect(share.status(name).st_mode & 0o7777 == (uid == 0 ? 0o6777 : 0o777), "\(name)")
        }
    }

    private func open(_ path: String) -> Int32 { ck_openat(AT_FDCWD, path, O_RDWR, 0) }

    @Test("LSEEK finds data and holes where the host does")
    func lseek() throws {
        let (node, handle) = try share.create("sparse")
        try share.write("data", node, handle, at: 1 << 20)
        try share.write("data", node, handle, at: 3 << 20)
        let host = open(share.path("sparse"))
        defer { close(host) }
        for whence in [SEEK_SET, SEEK_END, Int32(SEEK_DATA), Int32(SEEK_HOLE), 77] {
            for offset in [0, 1, 1 << 20, 1 << 20 + 4096, 2 << 20, 3 << 20, 3 << 20 + 4, 4 << 20, -1] {
                let expected = lseek64(host, offset, whence)
                let error = errorOfHost { Int32(clamping: lseek64(host, offset, whence)) }
                let pattern = UInt64(bitPattern: Int64(offset))
                #expect(errorOf { try seek(node, handle, pattern, whence) } == error, "\(whence) \(offset)")
                if expected >= 0 { #expect(try seek(node, handle, pattern, whence) == UInt64(expected)) }
            }
        }
        #expect(errorOf { try seek(node, handle, 0, SEEK_CUR) } == .invalidArgument)
    }

    @Test("COPY_FILE_RANGE copies between open files, and within one; not between handles of the wrong nodes")
    func copy() throws {
        Share.write("0123456789", to: share.path("from"))
        let from = try share.node("from")
        let source = try share.open(from, O_RDWR)
        let (to, target) = try share.create("to")
        func copy(
            _ offset: UInt64, _ node: NodeID, _ handle: UInt64, at place: UInt64, _ count: UInt64
        ) throws -> UInt64 {
            let arguments = fuse_copy_file_range_in(
                fh_in: source, off_in: offset, nodeid_out: node.rawValue, fh_out: handle, off_out: place, len: count,
                flags: 0)
            return try share.fs.copyFileRange(from, arguments, share.request())
        }
        #expect(try copy(2, to, target, at: 1, 5) == 5)
        #expect(share.contents("to") == "\u{0}23456")
        #expect(try copy(8, to, target, at: 0, 100) == 2)
        #expect(try copy(0, from, source, at: 5, 5) == 5)
        #expect(share.contents("from") == "0123401234")
        #expect(errorOf { try copy(0, from, source, at: 2, 5) } == .invalidArgument)
        #expect(errorOf { try copy(0, from, target, at: 0, 1) } == .badFileDescriptor)
        try share.fs.syncfs(.root, share.request())
        #expect(errorOf { try share.fs.syncfs(to, share.request()) } == .notDirectory)
    }

    @Test("TMPFILE makes a file without a name, which LINK can give it, unless it was made with O_EXCL")
    func tmpfile() throws {
        for flags in [O_RDWR, O_RDWR | O_EXCL] {
            let arguments = fuse_create_in(flags: UInt32(flags), mode: 0o640, umask: 0, open_flags: 0)
            let (entry, open) = try share.fs.tmpfile(.root, arguments, share.request(uid: 1234, gid: 4321))
            let node = NodeID(rawValue: entry.nodeid)
            #expect(entry.attr.nlink == 0 && entry.attr.uid == 1234 && entry.attr.gid == 4321)
            #expect(entry.attr.mode == UInt32(S_IFREG) | 0o640 && Share.names(in: share.root).isEmpty)
            try share.write("text", node, open.fh)
            let linked = errorOf { try share.fs.link(node, to: .root, share.name("named"), share.request()) }
            #expect(linked == (flags & O_EXCL == 0 ? Errno(rawValue: 0) : .noSuchFileOrDirectory))
            #expect(share.contents("named") == (flags & O_EXCL == 0 ? "text" : ""))
            unlink(share.path("named"))
        }
        let reading = fuse_create_in(flags: UInt32(O_RDONLY), mode: 0o640, umask: 0, open_flags: 0)
        #expect(errorOf { try share.fs.tmpfile(.root, reading, share.request()) } == .invalidArgument)
    }

    @Test("STATX tells what the host's tells: time of birth and attributes, too")
    func statx() throws {
        Share.write("x", to: share.path("file"))
        symlink("nowhere", share.path("link"))
        for name in ["file", "link", "."] {
            var host = CKernel.statx()
            try FileDescriptor.workingFolder.statusAt(
                share.path(name), flags: AT_SYMLINK_NOFOLLOW, mask: UInt32(STATX_BASIC_STATS | STATX_BTIME), into: &host
            )
            let node = name == "." ? NodeID.root : try share.node(name)
            var arguments = fuse_statx_in()
            arguments.sx_mask = UInt32(STATX_BASIC_STATS | STATX_BTIME)
            let mine = try share.fs.statx(node, nil, arguments, share.request())
            #expect(mine.attr_valid == 1)
            let stat = mine.stat
            #expect(stat.ino == host.stx_ino && stat.size == host.stx_size && stat.blocks == host.stx_blocks)
            #expect(stat.mode == host.stx_mode && stat.nlink == host.stx_nlink && stat.uid == host.stx_uid)
            #expect(stat.btime.tv_sec == host.stx_btime.tv_sec && stat.btime.tv_nsec == host.stx_btime.tv_nsec)
            #expect(stat.ctime.tv_sec == host.stx_ctime.tv_sec && stat.ctime.tv_nsec == host.stx_ctime.tv_nsec)
            #expect(stat.attributes == host.stx_attributes && stat.attributes_mask == host.stx_attributes_mask)
            #expect(stat.mask & UInt32(STATX_BASIC_STATS | STATX_BTIME) == UInt32(STATX_BASIC_STATS | STATX_BTIME))
        }
    }

    @Test("STATX with every flag set is answered: the upper bit once trapped")
    func statxFlags() throws {
        Share.write("x", to: share.path("file"))
        let arguments = fuse_statx_in(
            getattr_flags: .max, reserved: .max, fh: .max, sx_flags: .max & ~UInt32(AT_STATX_FORCE_SYNC), sx_mask: .max)
        let answer = try share.fs.statx(share.node("file"), nil, arguments, share.request())
        #expect(answer.stat.size == 1)
    }

    @Test("POLL: a regular file is always ready")
    func poll() throws {
        let (node, handle) = try share.create("file")
        let arguments = fuse_poll_in(fh: handle, kh: 1, flags: 0, events: UInt32(POLLIN | POLLOUT | POLLPRI))
        #expect(try share.fs.poll(node, arguments, share.request()) == UInt32(POLLIN | POLLOUT))
    }

    @Test("The caller's supplementary group comes behind the names of a creating request", arguments: [true, false])
    func supplementaryGroup(isMember: Bool) throws {
        let wire = try Wire()
        #expect(wire.flags.contains(.createSupplementaryGroup))
        // Set-group-ID of a new file stays only for a member of the folder's group.
        chown(wire.share.root, 0, 4321)
        chmod(wire.share.root, 0o2777)
        let groups = Wire.bytes([UInt32(24), UInt32(FUSE_EXT_GROUPS), 1, isMember ? 4321 : 99, 0, 0])
        let making = Wire.bytes(fuse_mknod_in(mode: UInt32(S_IFREG) | 0o2770, rdev: 0, umask: 0, padding: 0))
        let answer = wire.ask(.mknod, .root, making + Wire.name("file"), extensions: groups, uid: 1234, gid: 1234)
        #expect(answer.error == 0)
        let host = wire.share.status("file")
        #expect(host.st_gid == 4321 && host.st_uid == 1234)
        #expect(host.st_mode & 0o7777 == (isMember ? 0o2770 : 0o770))
        #expect(getgroups(0, nil) == wireGroups)
        for bad: [UInt32] in [[24, 32, 2, 1, 1, 0], [4, 32], [32, 32]] {
            let answer = wire.ask(.mknod, .root, making + Wire.name("bad"), extensions: Wire.bytes(bad))
            #expect(answer.error == EINVAL)
        }
    }
}

private let wireGroups = getgroups(0, nil)
