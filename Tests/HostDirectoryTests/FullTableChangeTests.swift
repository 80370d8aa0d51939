import CKernel
import FUSEWire
import HostDirectory
import Synchronization
import SystemPackage
import Testing

/// What becomes of files that are known by name, and that there is no descriptor for, when names change. As
/// ``FullTableTests``.
@Suite struct FullTableChangeTests {
    @Test("An open file's node works when the host or the client has removed, renamed or replaced its name")
    func openFiles() async {
        await #expect(processExitsWith: .success) {
            let names = ["removed", "renamed", "replaced", "unlinked", "moved", "overwritten", "exchanged"]
            let share = try FullShare(files: names + ["a", "b", "c"])
            let nodes = try names.map { try share.node($0) }
            let handles = try nodes.map { try share.share.open($0, O_RDWR) }
            _ = try share.node("b")
            unlink(share.share.path("removed"))
            CKernel.rename(share.share.path("renamed"), share.share.path("renamed by the host"))
            CKernel.rename(share.share.path("a"), share.share.path("replaced"))
            try share.fs.unlink(.root, share.share.name("unlinked"), share.share.request())
            try share.rename("moved", "moved by the client")
            try share.rename("b", "overwritten")
            try share.rename("c", "exchanged", RENAME_EXCHANGE)
            let links: [UInt32] = [0, 1, 0, 0, 1, 0, 1]
            for (index, node) in nodes.enumerated() {
                let attributes = try share.fs.getattr(node, nil, share.share.request()).attr
                #expect(attributes.nlink == links[index] && attributes.size == UInt64(names[index].utf8.count))
                let mode = try share.share.change(node) { ($0.valid, $0.mode) = (UInt32(FATTR_MODE), 0o600) }.mode
                #expect(mode == UInt32(S_IFREG) | 0o600)
                #expect(try share.share.read(node, handles[index]) == names[index])
                try share.expectUsable(node, names[index])
            }
            for (node, handle) in zip(nodes, handles) {
                try share.share.release(node, handle)
                share.fs.forget(node, count: 1)
            }
            share.expectNothingHeld()
        }
    }

    @Test("Files that the client removes are held, as far as files can still be opened; others are stale, unless open")
    func removes() async {
        await #expect(processExitsWith: .success) {
            let names = (0..<60).map { "\($0)" }
            let share = try FullShare(files: names + ["last"])
            let (nodes, last) = (try names.map { try share.node($0) }, try share.node("last"))
            for (name, node) in zip(names, nodes) {
                #expect(try share.fs.getattr(node, nil, share.share.request()).attr.nlink == 1)
                try share.fs.unlink(.root, share.share.name(name), share.share.request())
            }
            var kept = 0
            for (index, node) in nodes.enumerated() {
                let failure = errorOf {
                    #expect(try share.fs.getattr(node, nil, share.share.request()).attr.nlink == 0)
                    try share.expectUsable(node, names[index])
                    kept += 1
                }
                #expect(failure == Errno(rawValue: 0) || failure == .staleNFSFileHandle)
            }
            #expect(kept == FullShare.leftForNameless)
            let handle = try share.share.open(last, O_RDONLY)
            try share.fs.unlink(.root, share.share.name("last"), share.share.request())
            #expect(try share.fs.getattr(last, nil, share.share.request()).attr.nlink == 0)
            try share.expectUsable(last, "last")
            try share.share.release(last, handle)
            for node in nodes + [last] { share.fs.forget(node, count: 1) }
            share.expectNothingHeld()
            #expect(share.fs.namedInodeCount == 0 && share.fs.lookupCount == UInt64(FullShare.held))
        }
    }

    @Test("Files that the client renames or exchanges are known by their new names, and take no descriptors")
    func renames() async {
        await #expect(processExitsWith: .success) {
            let names = (0..<100).map { "\($0)" }
            let share = try FullShare(files: names)
            let nodes = try names.map { try share.node($0) }
            for name in names { try share.rename(name, name + " renamed") }
            for index in stride(from: 0, to: 100, by: 2) {
                try share.rename("\(index) renamed", "\(index + 1) renamed", RENAME_EXCHANGE)
            }
            share.expectNothingHeld()
            #expect(share.fs.namedInodeCount == 100)
            for (index, node) in nodes.enumerated() {
                try share.expectUsable(node, "\(index)")
                #expect(try share.node("\(index ^ 1) renamed") == node)
            }
            // A rename that fails changes nothing.
            #expect(errorOf { try share.rename("1 renamed", "folder 1") } == .isDirectory)
            try share.expectUsable(nodes[0], "0")
            share.expectNothingHeld()
        }
    }

    @Test("Hard links are one node, and whichever name was asked for last leads to it")
    func links() async {
        await #expect(processExitsWith: .success) {
            let share = try FullShare(files: ["file", "elsewhere"])
            let (file, elsewhere) = (try share.node("file"), try share.node("elsewhere"))
            let linked = try share.fs.link(file, to: .root, share.share.name("hard"), share.share.request())
            #expect(linked.nodeid == file.rawValue && linked.attr.nlink == 2)
            try share.fs.unlink(.root, share.share.name("file"), share.share.request())
            try share.expectUsable(file, "file")
            CKernel.rename(share.share.path("elsewhere"), share.share.path("here"))
            #expect(errorOf { try share.share.open(elsewhere, O_RDONLY) } == .staleNFSFileHandle)
            #expect(try share.node("here") == elsewhere)
            try share.expectUsable(elsewhere, "elsewhere")
            #expect(share.fs.lookupCount == UInt64(FullShare.held) + 4 && share.fs.namedInodeCount == 2)
            share.expectNothingHeld()
        }
    }

    @Test("Threads look up, open, rename, exchange and remove the same files: no wrong one, exact counts, nothing left")
    func racing() async {
        await #expect(processExitsWith: .success) {
            let names = (0..<16).map { "file \($0)" }
            let share = try FullShare(files: names)
            let wrong = Atomic<Int>(0)
            try withThreads(4) { thread in
                for round in 0..<3000 {
                    let failure = errorOf { try share.useOne(of: names, round, thread) }
                    // While another thread has the name changed, it is not there.
                    if ![0, ENOENT, ESTALE].contains(failure.rawValue) { wrong.add(1, ordering: .relaxed) }
                }
            }
            #expect(wrong.load(ordering: .relaxed) == 0 && share.fs.namedInodeCount == 0)
            #expect(share.fs.lookupCount == UInt64(FullShare.held))
            share.expectNothingHeld()
        }
    }
}

extension FullShare {
    /// What a thread does in one round: sees to it that a node is the file that its name says, or says which error it got.
    fileprivate func useOne(of names: [String], _ round: Int, _ thread: Int) throws {
        let name = names[(round &* 7 &+ thread &* 3) % names.count]
        let node = try node(name)
        defer { fs.forget(node, count: 1) }
        if round % 5 == 0 {
            try rename(name, name + " renamed")
            try rename(name + " renamed", name)
        }
        let handle = try share.open(node, O_RDONLY)
        defer { try? share.release(node, handle) }
        if try share.read(node, handle) != name { throw Errno.ioError }
        // Whoever has a file open finds it, whatever becomes of its name.
        let size = errorOf {
            if try fs.getattr(node, nil, share.request()).attr.size != UInt64(name.utf8.count) { throw Errno.ioError }
        }
        if size != Errno(rawValue: 0) { throw Errno.ioError }
        guard round % 97 == thread else { return }
        _ = try fs.link(node, to: .root, share.name("\(name) \(thread)"), share.request())
        fs.forget(node, count: 1)
        try fs.unlink(.root, share.name("\(name) \(thread)"), share.request())
    }
}
