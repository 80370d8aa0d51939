import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing

/// Files that are known by name until they are used.
@Suite struct NamedNodeTests {
    let share: Share
    init() throws { share = try Share() }

    private static let kinds = ["file", "link", "fifo", "socket", "device"]

    private func makeOneOfEach(_ prefix: String = "") {
        Share.write("hello", to: share.path(prefix + "file"))
        symlink("../outside", share.path(prefix + "link"))
        mkfifo(share.path(prefix + "fifo"), 0o600)
        mknod(share.path(prefix + "socket"), mode_t(S_IFSOCK) | 0o600, 0)
        mknod(share.path(prefix + "device"), mode_t(S_IFCHR) | 0o600, ck_makedev(1, 3))
    }

    @Test("A LOOKUP of a file takes no descriptor until the node is used, a folder is held at once", arguments: kinds)
    func lookup(kind: String) throws {
        makeOneOfEach()
        mkdir(share.path("folder"), 0o755)
        Share.letFilesAge()
        let node = try share.node(kind)
        for _ in 0..<3 { #expect(try share.node(kind) == node) }
        #expect(try share.lookup(kind).attr.isEqual(to: share.status(kind)))
        #expect(share.fs.namedInodeCount == 1 && share.fs.inodeCount == 2 && share.fs.lookupCount == 5)
        #expect(share.descriptorCount == 1)
        for _ in 0..<3 {
            #expect(try share.fs.getattr(node, nil, share.request()).attr.isEqual(to: share.status(kind)))
        }
        #expect(share.fs.namedInodeCount == 0 && share.descriptorCount == 2 && share.fs.evictedInodeCount == 0)
        #expect(try share.node(kind) == node)
        _ = try share.node("folder")
        #expect(share.fs.namedInodeCount == 0 && share.descriptorCount == 3)
    }

    @Test("READDIRPLUS gives nodes to all and holds the folders")
    func listing() throws {
        for index in 0..<300 { Share.write("", to: share.path("file \(index)")) }
        for index in 0..<20 { mkdir(share.path("folder \(index)"), 0o755) }
        Share.letFilesAge()
        let handle = try share.opendir(.root)
        let listed = try share.list(.root, handle, plus: true)
        try share.release(.root, handle, folder: true)
        #expect(listed.filter { $0.node != 0 }.count == 320)
        #expect(share.fs.namedInodeCount == 300 && share.descriptorCount == 21 && share.fs.lookupCount == 320)
        for entry in listed where entry.node != 0 {
            #expect(try share.node(entry.text).rawValue == entry.node)
            let attributes = try share.fs.getattr(NodeID(rawValue: entry.node), nil, share.request()).attr
            #expect(attributes.isEqual(to: share.status(entry.text)))
        }
        #expect(share.fs.namedInodeCount == 0 && share.descriptorCount == 321)
    }

    @Test("Whatever a node is first used for finds the file")
    func firstUses() throws {
        let names = ["open", "mode", "access", "statfs", "statx", "set", "get", "list", "link"]
        for name in names { Share.write("hello", to: share.path(name)) }
        setxattr(share.path("get"), "user.key", "value", 5, 0)
        symlink("target", share.path("readlink"))
        Share.letFilesAge()
        let node = Dictionary(uniqueKeysWithValues: try (names + ["readlink"]).map { ($0, try share.node($0)) })
        #expect(share.fs.namedInodeCount == names.count + 1 && share.descriptorCount == 1)
        let (fs, request) = (share.fs, share.request())
        #expect(try share.read(node["open"]!, share.open(node["open"]!, O_RDONLY)) == "hello")
        let changed = try share.change(node["mode"]!) { ($0.valid, $0.mode) = (UInt32(FATTR_MODE), 0o640) }
        #expect(changed.mode == UInt32(S_IFREG) | 0o640)
        try fs.access(node["access"]!, mask: UInt32(R_OK), request)
        #expect(try fs.statfs(node["statfs"]!, request).bsize > 0)
        let arguments = fuse_statx_in()
        #expect(try fs.statx(node["statx"]!, nil, arguments, request).stat.size == 5)
        try withBuffer("value") { value in
            try fs.setxattr(
                node["set"]!, share.name("user.key"), UnsafeRawBufferPointer(value), flags: 0, killsSetGID: false,
                request)
            #expect(try fs.getxattr(node["get"]!, share.name("user.key"), into: value, request) == 5)
            #expect(try fs.readlink(node["readlink"]!, into: value, request) == 5)
        }
        let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        #expect(try fs.listxattr(node["list"]!, into: nothing, request) == 0)
        let linked = try fs.link(node["link"]!, to: .root, share.name("linked"), request)
        #expect(linked.nodeid == node["link"]!.rawValue && linked.attr.nlink == 2)
        #expect(share.fs.namedInodeCount == 0 && share.fs.inodeCount == names.count + 2)
    }

    private func withBuffer(_ text: String, _ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        var bytes = Array(text.utf8)
        try bytes.withUnsafeMutableBytes(body)
    }

    @Test("A file as young as the clock can tell, which its successor could be taken for, is held at once")
    func young() throws {
        var known = 0
        for index in 0..<200 {
            Share.write("", to: share.path("\(index)"))
            let before = Share.tick
            let born = share.birth("\(index)")
            _ = try share.node("\(index)")
            // Where the clock has gone on since, either may be.
            if before.tv_sec == born.seconds, before.tv_nsec - Int(born.nanoseconds) < 10_000_000 { known += 1 }
            #expect(share.fs.namedInodeCount <= index + 1 - known)
        }
        #expect(known > 0)
    }

    @Test("Names of 255 bytes, and bytes that are no text")
    func names() throws {
        let long = [UInt8](repeating: 0xff, count: 255)
        let strange: [UInt8] = [0x0a, 0xfe, 0x20, 0x01]
        for name in [long, strange] {
            let path = Array(share.path("").utf8CString.dropLast()) + name.map { CChar(bitPattern: $0) } + [0]
            #expect(close(creat(path, 0o600)) == 0)
        }
        Share.letFilesAge()
        for name in [long, strange] {
            let entry = try share.fs.lookup(.root, share.name(name), share.request())
            #expect(share.fs.namedInodeCount == 1)
            let node = NodeID(rawValue: entry.nodeid)
            #expect(try share.fs.getattr(node, nil, share.request()).attr.ino == entry.attr.ino)
        }
    }

    @Test("Lookups are counted, FORGET takes them back, and with the last the node's memory goes and nothing is closed")
    func ledger() throws {
        Share.write("", to: share.path("a"))
        Share.letFilesAge()
        let node = try share.node("a")
        for _ in 0..<9 { _ = try share.node("a") }
        share.fs.forget(node, count: 4)
        #expect(share.fs.lookupCount == 6 && share.fs.namedInodeCount == 1)
        share.fs.forget(node, count: 6)
        #expect(share.fs.lookupCount == 0 && share.fs.inodeCount == 1 && share.fs.namedInodeCount == 0)
        #expect(errorOf { try share.fs.getattr(node, nil, share.request()) } == .staleNFSFileHandle)
        let again = try share.node("a")
        #expect(again != node && share.fs.namedInodeCount == 1)
        share.fs.end()
        #expect(share.fs.namedInodeCount == 0 && share.fs.inodeCount == 1 && share.descriptorCount == 1)
        #expect(errorOf { try share.fs.getattr(again, nil, share.request()) } == .staleNFSFileHandle)
    }

    @Test("The folder is forgotten first: the file is stale until it is looked up again")
    func forgottenFolder() throws {
        mkdir(share.path("folder"), 0o755)
        Share.write("hello", to: share.path("folder/file"))
        Share.letFilesAge()
        let folder = try share.node("folder")
        let file = try share.node("file", in: folder)
        share.fs.forget(folder, count: 1)
        #expect(errorOf { try share.fs.getattr(file, nil, share.request()) } == .staleNFSFileHandle)
        #expect(errorOf { try share.open(file, O_RDONLY) } == .staleNFSFileHandle)
        let again = try share.node("folder")
        #expect(again != folder && errorOf { try share.open(file, O_RDONLY) } == .staleNFSFileHandle)
        #expect(try share.node("file", in: again) == file)
        #expect(try share.read(file, share.open(file, O_RDONLY)) == "hello")
        share.fs.forget(again, count: 1)
        share.fs.forget(file, count: 2)
        #expect(share.fs.lookupCount == 0)
    }

    @Test("A file that is a mount point of its own is the file that is mounted there")
    func mountedFile() async {
        await #expect(processExitsWith: .success) {
            try #require(CKernel.unshare(CLONE_NEWNS) == 0)
            try #require(CKernel.mount("none", "/", nil, UInt(MS_REC | MS_PRIVATE), nil) == 0)
            let share = try Share()
            Share.write("below", to: share.path("file"))
            Share.letFilesAge()
            let below = try share.node("file")
            try #require(CKernel.mount(share.base + "/outside", share.path("file"), nil, UInt(MS_BIND), nil) == 0)
            #expect(errorOf { try share.open(below, O_RDONLY) } == .staleNFSFileHandle)
            let mounted = try share.node("file")
            #expect(mounted != below && share.fs.namedInodeCount == 2)
            #expect(try share.read(mounted, share.open(mounted, O_RDONLY)) == "outside")
            share.fs.end()
            try #require(CKernel.umount(share.path("file")) == 0)
        }
    }
}

extension Share {
    /// Waits until the files that were made so far are old enough to be known by name: until the kernel's clock for files
    /// has gone on.
    static func letFilesAge() {
        let start = tick
        while true {
            let now = tick
            if (now.tv_sec - start.tv_sec) * 1_000_000_000 + now.tv_nsec - start.tv_nsec > 30_000_000 { return }
            sched_yield()
        }
    }

    static var tick: timespec {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        return time
    }

    func birth(_ name: String) -> (seconds: Int64, nanoseconds: UInt32) {
        var status = CKernel.statx()
        _ = statx(AT_FDCWD, path(name), AT_SYMLINK_NOFOLLOW, UInt32(STATX_BTIME), &status)
        return (status.stx_btime.tv_sec, status.stx_btime.tv_nsec)
    }
}
