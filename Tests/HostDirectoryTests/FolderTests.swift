import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing

@Suite struct FolderTests {
    let share: Share
    init() throws { share = try Share() }

    private func fill(_ count: Int) -> Set<String> {
        let names = (0..<count).map { "entry \($0) " + String(repeating: "x", count: $0 % 100) }
        for name in names { Share.write("", to: share.path(name)) }
        return Set(names)
    }

    @Test(
        "A folder of 5,000 entries is listed completely and once, with any buffer, with and without nodes",
        arguments: [(512, false), (65_536, false), (512, true), (65_536, true), (1 << 20, true)])
    func complete(size: Int, plus: Bool) throws {
        let names = fill(5000)
        let handle = try share.opendir(.root)
        let listed = try share.list(.root, handle, size: size, plus: plus)
        #expect(listed.count == 5002)
        #expect(Set(listed.map(\.text)) == names.union([".", ".."]))
        #expect(listed.allSatisfy { $0.text.hasPrefix(".") || $0.inode == share.status($0.text).st_ino })
        #expect(listed.allSatisfy { $0.type == ($0.text.hasPrefix(".") ? UInt32(DT_DIR) : UInt32(DT_REG)) })
        #expect(share.fs.lookupCount == (plus ? 5000 : 0))
        for entry in listed where entry.node != 0 {
            #expect(try share.fs.getattr(NodeID(rawValue: entry.node), nil, share.request()).attr.ino == entry.inode)
            share.fs.forget(NodeID(rawValue: entry.node), count: 1)
        }
        #expect(share.fs.lookupCount == 0)
        try share.release(.root, handle, folder: true)
    }

    @Test("What is deleted while a folder is listed harms nobody: all that stays is listed, once")
    func deletion() throws {
        let names = fill(2000).sorted()
        let handle = try share.opendir(.root)
        var next = 0
        let listed = try share.list(.root, handle, size: 2048, plus: true) {
            for _ in 0..<20 where next < 1000 {
                unlink(share.path(names[next]))
                next += 1
            }
        }
        let texts = listed.map(\.text)
        #expect(Set(texts).count == texts.count)
        #expect(Set(names[1000...]).isSubset(of: texts))
        try share.release(.root, handle, folder: true)
    }

    @Test("READDIR and READDIRPLUS share their offsets; zero starts anew; any other offset does no harm")
    func offsets() throws {
        let names = fill(300)
        let handle = try share.opendir(.root)
        var texts: [String] = []
        var (offset, plus) = (UInt64(0), false)
        while true {
            let some = try share.readdir(.root, handle, from: offset, size: 1024, plus: plus)
            guard let last = some.last else { break }
            texts += some.map(\.text)
            (offset, plus) = (last.cookie, !plus)
        }
        #expect(texts.count == 302 && Set(texts) == names.union([".", ".."]))
        Share.write("", to: share.path("late"))
        #expect(try share.list(.root, handle, plus: false).map(\.text).contains("late"))
        for offset in [1, 12_345, 1 << 40, UInt64(Int64.max), 1 << 63, UInt64.max] {
            _ = errorOf { try share.readdir(.root, handle, from: offset, size: 1024, plus: false) }
        }
        #expect(
            errorOf { try share.readdir(.root, handle, from: 1 << 63, size: 1024, plus: false) } == .invalidArgument)
        #expect(try share.list(.root, handle, plus: false).count == 303)
    }

    @Test("A buffer without room for one entry is refused: no entries would mean the end")
    func tooSmall() throws {
        let handle = try share.opendir(.root)
        #expect(errorOf { try share.readdir(.root, handle, from: 0, size: 24, plus: false) } == .invalidArgument)
        #expect(errorOf { try share.readdir(.root, handle, from: 0, size: 0, plus: true) } == .invalidArgument)
        #expect(share.fs.lookupCount == 0)
    }

    @Test("The root's parent is the root: what is above has no number here")
    func parentOfRoot() throws {
        mkdir(share.path("sub"), 0o755)
        let handle = try share.opendir(.root)
        let listed = try share.list(.root, handle, plus: false)
        #expect(listed.first { $0.text == ".." }?.inode == UInt64(share.status("").st_ino))
        let sub = try share.node("sub")
        let inner = try share.list(sub, share.opendir(sub), plus: true)
        #expect(inner.first { $0.text == ".." }?.inode == UInt64(share.status("").st_ino))
        #expect(inner.allSatisfy { $0.node == 0 })
    }
}
