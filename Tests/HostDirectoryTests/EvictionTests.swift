import CKernel
import FUSEWire
import HostDirectory
import Synchronization
import Syscalls
import SystemPackage
import Testing

/// Many inodes with few descriptors. Needs CAP_DAC_READ_SEARCH and a temporary folder whose file system has handles.
@Suite struct EvictionTests {
    static let budget = 64
    /// How far the budget may be overstepped for a while: each inode that comes looks only so far for one to evict, and
    /// descriptors of the tests that run beside this one lie between.
    static let slack = 32

    private func share(in folder: String = "/tmp") throws -> Share {
        try Share(HostDirectoryOptions(descriptorBudget: Self.budget), in: folder)
    }

    /// What every node still has to be, asked by its nodeid alone.
    private func check(_ share: Share, _ nodes: [(name: String, node: NodeID)]) throws {
        for (name, node) in nodes {
            let attributes = try share.fs.getattr(node, nil, share.request()).attr
            #expect(attributes.isEqual(to: share.status(name)), "\(name)")
        }
        #expect(share.descriptorCount <= Self.budget + Self.slack)
    }

    @Test("With a budget of 64 descriptors, 5,000 files stay what they are: getattr, read, rename, unlink")
    func manyFiles() throws {
        let share = try share()
        for index in 0..<5000 { Share.write("content \(index)", to: share.path("file \(index)")) }
        var nodes = try (0..<5000).map { (name: "file \($0)", node: try share.usedNode("file \($0)")) }
        #expect(share.fs.inodeCount == 5001 && share.fs.evictedInodeCount >= 5000 - Self.budget - Self.slack)
        try check(share, nodes)
        for (index, node) in nodes.map(\.node).enumerated() where index % 7 == 0 {
            let handle = try share.open(node, O_RDONLY)
            #expect(try share.read(node, handle) == "content \(index)")
            try share.release(node, handle)
        }
        for index in stride(from: 0, to: 5000, by: 5) {
            let name = "renamed \(index)"
            try share.fs.rename(
                .root, share.name(nodes[index].name), to: .root, share.name(name), flags: 0, share.request())
            nodes[index].name = name
        }
        try check(share, nodes)
        #expect(try nodes.allSatisfy { try share.node($0.name) == $0.node })
        try expectUnlinkedFilesLive(share, nodes.map(\.node), nodes.map(\.name))
        share.fs.end()
        #expect(share.descriptorCount == 1 && share.fs.inodeCount == 1 && share.fs.evictedInodeCount == 0)
    }

    /// A file that loses its last name through us stays, evicted or not, until it is forgotten.
    private func expectUnlinkedFilesLive(_ share: Share, _ nodes: [NodeID], _ names: [String]) throws {
        for index in stride(from: 1, to: 1000, by: 50) {
            try share.fs.unlink(.root, share.name(names[index]), share.request())
        }
        for index in 2000..<2200 { _ = try share.fs.getattr(nodes[index], nil, share.request()) }
        for index in stride(from: 1, to: 1000, by: 50) {
            let attributes = try share.fs.getattr(nodes[index], nil, share.request()).attr
            #expect(attributes.nlink == 0 && attributes.size == UInt64("content \(index)".utf8.count))
            let handle = try share.open(nodes[index], O_RDONLY)
            #expect(try share.read(nodes[index], handle) == "content \(index)")
        }
    }

    @Test(
        "Symbolic links, FIFOs, sockets, devices and folders are evicted and come back",
        arguments: ["/tmp", "/dev/shm"])
    func specialFiles(folder: String) throws {
        let share = try share(in: folder)
        var nodes: [(name: String, node: NodeID)] = []
        for index in 0..<100 {
            symlink("target \(index)", share.path("link \(index)"))
            mkfifo(share.path("fifo \(index)"), 0o600)
            mknod(share.path("socket \(index)"), mode_t(S_IFSOCK) | 0o600, 0)
            mknod(share.path("null \(index)"), mode_t(S_IFCHR) | 0o600, ck_makedev(1, 3))
            mkdir(share.path("folder \(index)"), 0o755)
            Share.write("inside", to: share.path("folder \(index)/file"))
            for kind in ["link", "fifo", "socket", "null", "folder"] {
                nodes.append(("\(kind) \(index)", try share.usedNode("\(kind) \(index)")))
            }
        }
        #expect(share.fs.evictedInodeCount > 400)
        try check(share, nodes)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4095, alignment: 1)
        defer { buffer.deallocate() }
        for index in 0..<100 {
            let count = try share.fs.readlink(nodes[5 * index].node, into: buffer, share.request())
            #expect(String(decoding: buffer[..<count], as: UTF8.self) == "target \(index)")
            #expect(errorOf { try share.open(nodes[5 * index + 1].node, O_RDONLY) } == .noSuchAddressOrDevice)
            _ = try share.fs.link(
                nodes[5 * index].node, to: nodes[5 * index + 4].node, share.name("hard"), share.request())
            #expect(try share.lookup("file", in: nodes[5 * index + 4].node).attr.size == 6)
        }
    }

    @Test("An open file's inode is not evicted, and READDIRPLUS keeps to the budget")
    func openFilesAndListings() throws {
        let share = try share()
        let (node, handle) = try share.create("open")
        try share.write("still here", node, handle)
        for index in 0..<1000 { Share.write("", to: share.path("file \(index)")) }
        let folder = try share.opendir(.root)
        let listed = try share.list(.root, folder, plus: true)
        #expect(listed.count == 1003 && listed.filter { $0.node != 0 }.count == 1001)
        #expect(share.descriptorCount <= Self.budget + Self.slack)
        unlink(share.path("open"))  // at the host, of which nobody tells us
        #expect(try share.fs.getattr(node, nil, share.request()).attr.nlink == 0)
        #expect(try share.read(node, handle) == "still here")
    }

    @Test("An inode number that was used again is another node, the old one stale", arguments: ["/tmp", "/dev/shm"])
    func recycledNumber(folder: String) throws {
        let share = try share(in: folder)
        var old: [UInt64: NodeID] = [:]
        for index in 0..<200 {
            Share.write("old", to: share.path("old \(index)"))
            old[UInt64(share.status("old \(index)").st_ino)] = try share.usedNode("old \(index)")
        }
        var recycled = 0
        // The host may have other free numbers, which it gives first.
        for index in 0..<100_000 where index < 200 || (recycled == 0 && folder != "/dev/shm") {
            if index < 200 { unlink(share.path("old \(index)")) }
            Share.write("newer", to: share.path("new \(index)"))
            guard index < 200 || old[UInt64(share.status("new \(index)").st_ino)] != nil else { continue }
            let entry = try share.lookup("new \(index)")
            #expect(entry.attr.size == 5)
            guard let before = old[entry.attr.ino], before.rawValue != entry.nodeid else { continue }
            recycled += 1
            #expect(errorOf { try share.fs.getattr(before, nil, share.request()) } == .staleNFSFileHandle)
            #expect(try share.lookup("new \(index)").nodeid == entry.nodeid)
            share.fs.forget(before, count: 1)
            #expect(try share.fs.getattr(NodeID(rawValue: entry.nodeid), nil, share.request()).attr.size == 5)
        }
        #expect(Set(old.keys).count == 200 && (folder == "/dev/shm" || recycled > 0))
        share.fs.end()
        #expect(share.fs.lookupCount == 0 && share.fs.inodeCount == 1)
    }

    @Test("Lookups, uses, forgets and evictions of four threads leave exact counts and no descriptor")
    func racing() throws {
        let share = try share()
        let names = (0..<300).map { "file \($0)" }
        for name in names { Share.write(name, to: share.path(name)) }
        let held = try names.prefix(150).map { try share.usedNode($0) }
        let wrong = Atomic<Int>(0)
        try withThreads(4) { thread in
            for round in 0..<3000 {
                let index = (round &* 31 &+ thread &* 77) % names.count
                let failure = errorOf {
                    let node = try share.node(names[index])
                    defer { share.fs.forget(node, count: 1) }
                    let size = try share.fs.getattr(node, nil, share.request()).attr.size
                    let kept = held[index / 2]
                    let other = try share.fs.getattr(kept, nil, share.request()).attr.size
                    guard size == names[index].utf8.count, other == names[index / 2].utf8.count else {
                        throw Errno.ioError
                    }
                    guard round % 8 == 0 else { return }
                    let handle = try share.open(kept, O_RDONLY)
                    defer { try? share.release(kept, handle) }
                    guard try share.read(kept, handle) == names[index / 2] else { throw Errno.ioError }
                }
                if failure.rawValue != 0 { wrong.add(1, ordering: .relaxed) }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
        #expect(share.fs.lookupCount == 150 && share.fs.inodeCount == 151 && share.fs.openHandleCount == 0)
        #expect(share.descriptorCount <= Self.budget + Self.slack)
        for node in held { share.fs.forget(node, count: 1) }
        #expect(share.fs.lookupCount == 0 && share.fs.inodeCount == 1 && share.fs.evictedInodeCount == 0)
        #expect(share.descriptorCount == 1)
    }

    @Test("Two threads that use the same evicted file at once get the same one, and one descriptor stays")
    func racingReopen() throws {
        let share = try share()
        for index in 0..<200 { Share.write("\(index)", to: share.path("file \(index)")) }
        let nodes = try (0..<200).map { try share.usedNode("file \($0)") }
        let round = Atomic<Int>(-1)
        let wrong = Atomic<Int>(0)
        try withThreads(2) { _ in
            while true {
                let current = round.load(ordering: .acquiring)
                if current == 4000 { return }
                guard current >= 0 else { continue }
                let index = current &* 71 % 200
                let size = try? share.fs.getattr(nodes[index], nil, share.request()).attr.size
                if size != UInt64("\(index)".utf8.count) {
                    wrong.add(1, ordering: .relaxed)
                }
            }
        } meanwhile: {
            for index in 0...4000 {
                round.store(index, ordering: .releasing)
                _ = try share.fs.getattr(nodes[index &* 71 % 200], nil, share.request())
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0 && share.descriptorCount <= Self.budget + Self.slack)
        share.fs.end()
        #expect(share.descriptorCount == 1)
    }

    @Test("Without handles, too many nodes are a clear error, and a listing leaves room")
    func withoutHandles() throws {
        let share = try Share(HostDirectoryOptions(descriptorBudget: 32, fileHandles: false))
        for index in 0..<100 { mkdir(share.path("folder \(index)"), 0o755) }
        let folder = try share.opendir(.root)
        let listed = try share.list(.root, folder, plus: true)
        let known = listed.filter { $0.node != 0 }.count
        #expect(listed.count == 102 && (30...40).contains(known))
        let node = try share.node("folder 99")
        #expect(try share.fs.getattr(node, nil, share.request()).attr.isEqual(to: share.status("folder 99")))
        #expect(share.fs.evictedInodeCount == 0)
    }
}
