import CKernel
import FUSEWire
import HostDirectory
import Synchronization
import SystemPackage
import Testing

/// What becomes of a node that is known by name when names change, by the client or behind its back.
@Suite struct NamedNodeChangeTests {
    let share: Share
    init() throws { share = try Share() }

    private func make(_ names: String...) throws {
        for name in names { Share.write(name, to: share.path(name)) }
        Share.letFilesAge()
    }

    /// Whether a node is still the file that was written as `content`.
    private func isUsable(_ node: NodeID, _ content: String) -> Bool {
        guard let handle = try? share.open(node, O_RDONLY) else { return false }
        defer { try? share.release(node, handle) }
        let size = try? share.fs.getattr(node, nil, share.request()).attr.size
        return size == UInt64(content.utf8.count) && (try? share.read(node, handle)) == content
    }

    private func links(_ node: NodeID) throws -> UInt32 { try share.fs.getattr(node, nil, share.request()).attr.nlink }

    private func expectStale(_ node: NodeID) {
        #expect(errorOf { try share.fs.getattr(node, nil, share.request()) } == .staleNFSFileHandle)
        #expect(errorOf { try share.open(node, O_RDWR) } == .staleNFSFileHandle)
        #expect(errorOf { try share.change(node) { $0.valid = UInt32(FATTR_MODE) } } == .staleNFSFileHandle)
    }

    @Test("The client removes the name: whoever holds the node still has the file, until it is forgotten")
    func unlinked() throws {
        try make("a", "b")
        let (a, b) = (try share.node("a"), try share.node("b"))
        try share.fs.unlink(.root, share.name("a"), share.request())
        #expect(share.fs.namedInodeCount == 1)
        #expect(try isUsable(a, "a") && links(a) == 0)
        share.fs.forget(a, count: 1)
        #expect(isUsable(b, "b") && share.descriptorCount == 2)
    }

    @Test("The client renames, replaces and exchanges names: each node stays what it was")
    func renamed() throws {
        try make("a", "b", "c", "d", "e")
        let nodes = try ["a", "b", "c", "d", "e"].map { try share.node($0) }
        func rename(_ old: String, _ new: String, _ flags: Int32 = 0) throws {
            let (old, new) = (share.name(old), share.name(new))
            try share.fs.rename(.root, old, to: .root, new, flags: UInt32(flags), share.request())
        }
        try rename("a", "moved")
        try rename("b", "c")
        try rename("d", "e", Int32(RENAME_EXCHANGE))
        #expect(share.fs.namedInodeCount == 0)
        for (node, content) in zip(nodes, ["a", "b", "c", "d", "e"]) { #expect(isUsable(node, content), "\(content)") }
        #expect(try links(nodes[2]) == 0)
        let found = try ["moved", "c", "e", "d"].map { try share.node($0) }
        #expect(found == [nodes[0], nodes[1], nodes[3], nodes[4]])
    }

    @Test("A rename that fails, and one of a folder above, change nothing")
    func renamedAround() throws {
        mkdir(share.path("folder"), 0o755)
        try make("a", "folder/file")
        let (a, folder) = (try share.node("a"), try share.node("folder"))
        let file = try share.node("file", in: folder)
        let failure = errorOf {
            try share.fs.rename(.root, share.name("a"), to: .root, share.name("folder"), flags: 0, share.request())
        }
        #expect(failure == .isDirectory && isUsable(a, "a"))
        try share.fs.rename(.root, share.name("folder"), to: .root, share.name("other"), flags: 0, share.request())
        #expect(isUsable(file, "folder/file"))
        CKernel.rename(share.path("other"), share.path("third"))
        let second = try share.node("a", in: .root)
        #expect(second == a)
    }

    @Test("Two names of a file are one node, which keeps working by each when the other goes")
    func hardLinks() throws {
        try make("a", "x")
        link(share.path("a"), share.path("b"))
        link(share.path("x"), share.path("y"))
        let (a, x) = (try share.node("a"), try share.node("x"))
        try share.fs.unlink(.root, share.name("a"), share.request())
        #expect(try isUsable(a, "a") && share.node("b") == a && links(a) == 1)
        // Another name than the one that is known: the file is held.
        #expect(try share.node("y") == x && share.fs.namedInodeCount == 0)
        unlink(share.path("x"))
        #expect(isUsable(x, "x") && share.fs.lookupCount == 4 && share.fs.inodeCount == 3)
        share.fs.forget(a, count: 2)
        share.fs.forget(x, count: 2)
        #expect(share.fs.inodeCount == 1 && share.descriptorCount == 1)
    }

    @Test("The host removes or renames a file before it is used: ESTALE; by its new name it is the same node again")
    func hostRemoves() throws {
        try make("a", "b")
        let (a, b) = (try share.node("a"), try share.node("b"))
        unlink(share.path("a"))
        CKernel.rename(share.path("b"), share.path("elsewhere"))
        expectStale(a)
        expectStale(b)
        #expect(errorOf { try share.node("b") } == .noSuchFileOrDirectory)
        #expect(try share.node("elsewhere") == b)
        #expect(isUsable(b, "b"))
    }

    @Test("The host puts another file in its place, of any type: ESTALE, and a LOOKUP finds the other one")
    func hostReplaces() throws {
        try make("a", "b", "c", "new")
        let nodes = try ["a", "b", "c"].map { try share.node($0) }
        CKernel.rename(share.path("new"), share.path("a"))
        unlink(share.path("b"))
        symlink("../outside", share.path("b"))
        unlink(share.path("c"))
        mkdir(share.path("c"), 0o755)
        nodes.forEach(expectStale)
        for (name, node) in zip(["a", "b", "c"], nodes) {
            let found = try share.lookup(name)
            #expect(found.nodeid != node.rawValue && found.attr.isEqual(to: share.status(name)))
        }
        #expect(try isUsable(share.node("a"), "new"))
        nodes.forEach(expectStale)
    }

    @Test("The host puts a link to a folder outside in the folder's place: the name is looked for where it was")
    func hostReplacesFolder() throws {
        mkdir(share.path("folder"), 0o755)
        mkdir(share.base + "/secret", 0o755)
        Share.write("secret", to: share.base + "/secret/file")
        try make("folder/file")
        let file = try share.node("file", in: try share.node("folder"))
        CKernel.rename(share.path("folder"), share.path("moved"))
        symlink("../secret", share.path("folder"))
        #expect(isUsable(file, "folder/file"))
    }

    @Test("An inode number that is used again is another node, and the old one stale", arguments: ["/tmp", "/dev/shm"])
    func recycledNumber(folder: String) throws {
        var recycled = 0
        // A tmpfs gives no number twice; and what other tests make meanwhile may take the free ones.
        for _ in 0..<(folder == "/tmp" ? 10 : 1) where recycled == 0 {
            let share = try Share(in: folder)
            recycled = try recycle(share)
            share.fs.end()
            #expect(share.fs.lookupCount == 0 && share.fs.inodeCount == 1 && share.fs.namedInodeCount == 0)
        }
        #expect(folder == "/dev/shm" || recycled > 0)
    }

    /// Puts 200 new files in the place of as many that are known by name; how many of them got another's number.
    private func recycle(_ share: Share) throws -> Int {
        var old: [UInt64: NodeID] = [:]
        let names = (0..<200).map { "\($0)" }
        for name in names { Share.write("old", to: share.path(name)) }
        Share.letFilesAge()
        for name in names { old[UInt64(share.status(name).st_ino)] = try share.node(name) }
        #expect(share.fs.namedInodeCount == 200)
        for name in names {
            unlink(share.path(name))
            Share.write("newer", to: share.path(name))
        }
        var recycled = 0
        for (index, name) in names.enumerated() {
            // The first are so young that they are held at once.
            if index == 100 { Share.letFilesAge() }
            let entry = try share.lookup(name)
            #expect(entry.attr.size == 5)
            guard let before = old[entry.attr.ino] else { continue }
            recycled += 1
            #expect(before.rawValue != entry.nodeid)
            #expect(errorOf { try share.fs.getattr(before, nil, share.request()) } == .staleNFSFileHandle)
            #expect(try share.lookup(name).nodeid == entry.nodeid)
            share.fs.forget(before, count: 1)
            #expect(try share.fs.getattr(NodeID(rawValue: entry.nodeid), nil, share.request()).attr.size == 5)
        }
        return recycled
    }

    @Test("Once used, a node is evicted and comes back as any other, and keeps a nameless file")
    func evicted() throws {
        let share = try Share(HostDirectoryOptions(descriptorBudget: 64))
        for index in 0..<500 { Share.write("\(index)", to: share.path("\(index)")) }
        Share.letFilesAge()
        let nodes = try (0..<500).map { try share.node("\($0)") }
        #expect(share.fs.namedInodeCount == 500 && share.fs.evictedInodeCount == 0 && share.descriptorCount == 1)
        for node in nodes.prefix(400) { _ = try share.fs.getattr(node, nil, share.request()) }
        #expect(share.fs.namedInodeCount == 100 && share.fs.evictedInodeCount > 250)
        for index in stride(from: 0, to: 500, by: 9) {
            try share.fs.unlink(.root, share.name("\(index)"), share.request())
        }
        for (index, node) in nodes.enumerated() {
            let handle = try share.open(node, O_RDONLY)
            #expect(try share.read(node, handle) == "\(index)")
            try share.release(node, handle)
        }
        share.fs.end()
        #expect(share.descriptorCount == 1 && share.fs.evictedInodeCount == 0 && share.fs.namedInodeCount == 0)
    }

    @Test("A file is found by its name when its folder was evicted meanwhile")
    func evictedFolders() throws {
        let share = try Share(HostDirectoryOptions(descriptorBudget: 64))
        for index in 0..<300 {
            mkdir(share.path("\(index)"), 0o755)
            Share.write("\(index)", to: share.path("\(index)/file"))
        }
        Share.letFilesAge()
        let files = try (0..<300).map { try share.node("file", in: share.node("\($0)")) }
        #expect(share.fs.namedInodeCount == 300 && share.fs.evictedInodeCount > 150)
        for (index, file) in files.enumerated() {
            let handle = try share.open(file, O_RDONLY)
            #expect(try share.read(file, handle) == "\(index)")
            try share.release(file, handle)
        }
        #expect(share.fs.namedInodeCount == 0)
    }

    @Test("Four threads look up, use, rename, remove and forget the same names: no wrong file, exact counts")
    func racing() throws {
        let names = (0..<32).map { "file \($0)" }
        for name in names { Share.write(name, to: share.path(name)) }
        Share.letFilesAge()
        let wrong = Atomic<Int>(0)
        try withThreads(4) { thread in
            for round in 0..<4000 {
                let name = names[(round &* 7 &+ thread &* 3) % names.count]
                let failure = errorOf {
                    let node = try share.node(name)
                    defer { share.fs.forget(node, count: 1) }
                    if round % 3 == 0 { return }
                    if round % 5 == 0 {
                        let (old, new) = (share.name(name), share.name(name + " renamed"))
                        try share.fs.rename(.root, old, to: .root, new, flags: 0, share.request())
                        try share.fs.rename(.root, new, to: .root, old, flags: 0, share.request())
                    }
                    let size = try share.fs.getattr(node, nil, share.request()).attr.size
                    if size != UInt64(name.utf8.count) { throw Errno.ioError }
                    let handle = try share.open(node, O_RDONLY)
                    defer { try? share.release(node, handle) }
                    if try share.read(node, handle) != name { throw Errno.ioError }
                }
                // While another thread has the name changed, it is not there.
                if ![0, ENOENT, ESTALE].contains(failure.rawValue) { wrong.add(1, ordering: .relaxed) }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
        #expect(share.fs.lookupCount == 0 && share.fs.inodeCount == 1 && share.fs.namedInodeCount == 0)
        #expect(share.descriptorCount == 1)
    }

    @Test("Threads that use a node for the first time at once get the same file, and one descriptor stays")
    func racingFirstUse() throws {
        for index in 0..<500 { Share.write("\(index)", to: share.path("\(index)")) }
        Share.letFilesAge()
        let nodes = try (0..<500).map { try share.node("\($0)") }
        let wrong = Atomic<Int>(0)
        try withThreads(3) { _ in
            for (index, node) in nodes.enumerated() {
                let size = try? share.fs.getattr(node, nil, share.request()).attr.size
                if size != UInt64("\(index)".utf8.count) { wrong.add(1, ordering: .relaxed) }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0 && share.fs.namedInodeCount == 0)
        #expect(share.descriptorCount == 501 && share.fs.lookupCount == 500)
    }
}
