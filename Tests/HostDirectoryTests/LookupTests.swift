import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing
import VirtioFSDevice

@Suite struct LookupTests {
    let share: Share
    init() throws { share = try Share() }

    @Test("A LOOKUP and a GETATTR tell what lstat(2) tells, of every type of file")
    func attributes() throws {
        Share.write("hello", to: share.path("file"))
        mkdir(share.path("folder"), 0o1755)
        symlink("../outside", share.path("link"))
        mkfifo(share.path("fifo"), 0o600)
        mknod(share.path("device"), mode_t(S_IFCHR) | 0o600, ck_makedev(259, 70_000))
        let times = [timespec(tv_sec: -1_000_000, tv_nsec: 999_999_999), timespec(tv_sec: 5_000_000_000, tv_nsec: 1)]
        utimensat(AT_FDCWD, share.path("file"), times, 0)
        for name in ["file", "folder", "link", "fifo", "device"] {
            let entry = try share.lookup(name)
            #expect(entry.attr.isEqual(to: share.status(name)), "\(name)")
            let attributes = try share.fs.getattr(NodeID(rawValue: entry.nodeid), nil, share.request())
            #expect(attributes.attr.isEqual(to: share.status(name)), "\(name)")
        }
        #expect(try share.lookup("file").attr.atime == UInt64(bitPattern: -1_000_000))
        #expect(try share.lookup("device").attr.rdev == 70_000 & 0xff | 259 << 8 | (70_000 & ~0xff) << 12)
    }

    @Test("A file has one node, whatever the name, and another one has another")
    func oneNode() throws {
        Share.write("", to: share.path("a"))
        Share.write("", to: share.path("b"))
        link(share.path("a"), share.path("c"))
        let (a, b, c) = (try share.node("a"), try share.node("b"), try share.node("c"))
        #expect(a == c)
        #expect(a != b)
        #expect(share.fs.lookupCount == 3)
        #expect(share.fs.inodeCount == 3)
    }

    @Test("Names that are no entry of a folder are refused, long ones as the host does, all others are bytes")
    func names() throws {
        for bad in ["", ".", "..", "/", "a/b", "/etc/passwd", "../outside"] {
            let name = share.name(bad)
            #expect(errorOf { try share.lookup(bad) } == .invalidArgument, "\(bad)")
            #expect(
                errorOf {
                    try share.fs.mkdir(.root, name, fuse_mkdir_in(mode: 0o755, umask: 0), share.request())
                } == .invalidArgument, "\(bad)")
            #expect(
                errorOf {
                    try share.fs.rename(.root, share.name("x"), to: .root, name, flags: 0, share.request())
                } == .invalidArgument, "\(bad)")
        }
        let long = [UInt8](repeating: 0xff, count: 255)
        _ = try share.fs.mkdir(.root, share.name(long), fuse_mkdir_in(mode: 0o755, umask: 0), share.request())
        _ = try share.fs.lookup(.root, share.name(long), share.request())
        try share.fs.rmdir(.root, share.name(long), share.request())
        #expect(
            errorOf { try share.lookup(String(repeating: "n", count: 256)) }
                == .fileNameTooLong)
        _ = try share.fs.mkdir(
            .root, share.name("new\nline"), fuse_mkdir_in(mode: 0o755, umask: 0), share.request())
        #expect(share.status("new\nline").st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR))
    }

    @Test("A node that was never given, was forgotten, or is of an older session: ESTALE, never another file")
    func stale() throws {
        Share.write("", to: share.path("a"))
        let old = try share.node("a")
        share.fs.forget(old, count: 1)
        let second = try share.node("a")
        _ = share.fs.begin(offered: [])
        let third = try share.node("a")
        let invented: [UInt64] = [
            0, 2, 3, .max, 1 << 32, 1 << 32 | 1, third.rawValue + (1 << 32), 0xffff_ffff, 1 << 63,
        ]
        for raw in [old.rawValue, second.rawValue] + invented {
            let node = NodeID(rawValue: raw)
            #expect(
                errorOf { try share.fs.getattr(node, nil, share.request()) }
                    == .staleNFSFileHandle, "\(raw)")
            #expect(errorOf { try share.lookup("a", in: node) } == .staleNFSFileHandle)
        }
        _ = try share.fs.getattr(third, nil, share.request())
        _ = try share.fs.getattr(.root, nil, share.request())
    }

    @Test("What is not there is ENOENT, or an entry without a node where that may be remembered")
    func negative() throws {
        #expect(errorOf { try share.lookup("none") } == .noSuchFileOrDirectory)
        let remembering = try Share(HostDirectoryOptions(negativeTimeout: .milliseconds(1500)))
        let entry = try remembering.lookup("none")
        #expect(entry.nodeid == 0 && entry.entry_valid == 1 && entry.entry_valid_nsec == 500_000_000)
        #expect(remembering.fs.lookupCount == 0)
    }
}

extension fuse_attr {
    func isEqual(to host: stat) -> Bool {
        let mine: [Int] = [
            Int(ino), Int(size), Int(blocks), Int(nlink), Int(mode), Int(uid), Int(gid), Int(blksize),
            Int(Int64(bitPattern: atime)), Int(Int64(bitPattern: mtime)), Int(Int64(bitPattern: ctime)),
            Int(atimensec), Int(mtimensec), Int(ctimensec),
        ]
        return mine == [
            Int(host.st_ino), Int(host.st_size), Int(host.st_blocks), Int(host.st_nlink), Int(host.st_mode),
            Int(host.st_uid), Int(host.st_gid), Int(host.st_blksize),
            host.st_atim.tv_sec, host.st_mtim.tv_sec, host.st_ctim.tv_sec,
            host.st_atim.tv_nsec, host.st_mtim.tv_nsec, host.st_ctim.tv_nsec,
        ]
    }
}
