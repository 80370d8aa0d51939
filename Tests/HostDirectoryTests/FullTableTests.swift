import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing

/// Files that are known by name where folders have all descriptors that inodes can have, and the privilege for handles is
/// missing. In processes of their own, which have few descriptors.
@Suite struct FullTableTests {
    @Test("What a named file is asked for is done through its name: it stays named, and no descriptor stays")
    func uses() async {
        await #expect(processExitsWith: .success) {
            let share = try FullShare(files: ["file", "other"], links: ["link"])
            let (fs, request) = (share.fs, share.share.request())
            let (file, link) = (try share.node("file"), try share.node("link"))
            for _ in 0..<100 {
                #expect(try fs.getattr(file, nil, request).attr.isEqual(to: share.share.status("file")))
                #expect(try fs.statx(file, nil, fuse_statx_in(), request).stat.size == 4)
                #expect(try fs.statfs(file, request).bsize > 0)
                try fs.access(file, mask: UInt32(R_OK), request)
                var bytes = Array("value".utf8)
                try bytes.withUnsafeMutableBytes { value in
                    let name = share.share.name("user.key")
                    try fs.setxattr(file, name, .init(value), flags: 0, killsSetGID: false, request)
                    #expect(try fs.getxattr(file, name, into: value, request) == 5)
                    #expect(try fs.listxattr(file, into: .init(start: nil, count: 0), request) == 9)
                    try fs.removexattr(file, name, request)
                    #expect(try fs.readlink(link, into: value, request) == 5)
                }
                try share.expectUsable(file, "file")
                let mode = try share.share.change(file) { ($0.valid, $0.mode) = (UInt32(FATTR_MODE), 0o640) }.mode
                #expect(mode == UInt32(S_IFREG) | 0o640)
                #expect(try share.share.change(file) { ($0.valid, $0.size) = (UInt32(FATTR_SIZE), 4) }.size == 4)
            }
            #expect(fs.namedInodeCount == 2)
            share.expectNothingHeld()
        }
    }

    @Test("Files can be opened with the descriptors that are left, held ones as named ones; then it is ENFILE")
    func opens() async {
        await #expect(processExitsWith: .success) {
            let share = try FullShare(files: (0..<50).map { "\($0)" })
            let nodes = try (0..<50).map { try share.node("\($0)") }
            var open: [(node: NodeID, handle: UInt64)] = []
            let refusal = errorOf { for node in nodes { open.append((node, try share.share.open(node, O_RDWR))) } }
            #expect(refusal == .tooManyOpenFilesInSystem && open.count == FullShare.leftForFiles)
            for (index, file) in open.enumerated() {
                #expect(try share.share.read(file.node, file.handle) == "\(index)")
                #expect(try share.fs.getattr(file.node, nil, share.share.request()).attr.nlink == 1)
            }
            // One more is read where another is closed.
            let last = open.removeLast()
            try share.share.release(last.node, last.handle)
            try share.expectUsable(nodes[49], "49")
            for file in open { try share.share.release(file.node, file.handle) }
            #expect(share.fs.namedInodeCount == 50)
            share.expectNothingHeld()
        }
    }

    @Test("The host puts another file in a named file's place: ESTALE for every use, and a LOOKUP finds the other one")
    func replaced() async {
        await #expect(processExitsWith: .success) {
            let share = try FullShare(files: ["gone", "file", "new"])
            let nodes = try ["gone", "file"].map { try share.node($0) }
            let link = try share.node("file")
            unlink(share.share.path("gone"))
            CKernel.rename(share.share.path("new"), share.share.path("file"))
            for node in nodes {
                #expect(errorOf { try share.share.open(node, O_RDONLY) } == .staleNFSFileHandle)
                #expect(errorOf { try share.fs.getattr(node, nil, share.share.request()) } == .staleNFSFileHandle)
                let change = errorOf { try share.share.change(node) { $0.valid = UInt32(FATTR_MODE) } }
                #expect(change == .staleNFSFileHandle)
                let name = share.share.name("hard")
                let linked = errorOf { try share.fs.link(node, to: .root, name, share.share.request()) }
                #expect(linked == .staleNFSFileHandle)
            }
            let found = try share.node("file")
            #expect(found != link)
            try share.expectUsable(found, "new")
            share.expectNothingHeld()
        }
    }

    @Test("Folders, new files and what can't be known by its name are ENFILE, before anything is made")
    func makes() async {
        await #expect(processExitsWith: .success) {
            let share = try FullShare(files: ["there"])
            let (fs, request, name) = (share.fs, share.share.request(), share.share.name("new"))
            let mode = UInt32(S_IFIFO) | 0o600
            let full = Errno.tooManyOpenFilesInSystem
            let folder = fuse_mkdir_in(mode: 0o755, umask: 0)
            #expect(errorOf { try fs.mkdir(.root, name, folder, request) } == full)
            #expect(errorOf { try fs.symlink(.root, name, target: name, request) } == full)
            let node = fuse_mknod_in(mode: mode, rdev: 0, umask: 0, padding: 0)
            #expect(errorOf { try fs.mknod(.root, name, node, request) } == full)
            #expect(errorOf { try share.share.create("new") } == full)
            #expect(errorOf { try share.share.node("new") } == .noSuchFileOrDirectory)
            // What is there is what it would be with room.
            let there = share.share.name("there")
            #expect(errorOf { try fs.mkdir(.root, there, folder, request) } == .fileExists)
            #expect(errorOf { try share.share.create("there", O_RDWR | O_EXCL) } == .fileExists)
            let (file, handle) = try share.share.create("there")
            #expect(try share.share.read(file, handle) == "there" && fs.namedInodeCount == 1)
            try share.share.release(file, handle)
            share.expectNothingHeld()
            // A folder that is forgotten makes room for another one.
            share.fs.forget(share.folders[0], count: 1)
            #expect(try fs.mkdir(.root, name, folder, request).nodeid != 0)
        }
    }

    @Test("With handles, where open files have all descriptors, evicted and named nodes still work")
    func withHandles() async {
        await #expect(processExitsWith: .success) {
            FullShare.setLimit()
            let share = try Share()
            for name in (0..<200).map({ "\($0)" }) + ["named"] { Share.write(name, to: share.path(name)) }
            Share.letFilesAge()
            let named = try share.node("named")
            let nodes = try (0..<200).map { try share.usedNode("\($0)") }
            var open: [(node: NodeID, handle: UInt64)] = []
            let refusal = errorOf {
                for node in nodes { open.append((node, try share.open(node, O_RDONLY))) }
            }
            #expect(refusal == .tooManyOpenFilesInSystem && open.count > 90)
            let (count, evicted) = (share.descriptorCount, share.fs.evictedInodeCount)
            for node in nodes + [named] { _ = try share.fs.getattr(node, nil, share.request()) }
            #expect(share.descriptorCount == count && share.fs.evictedInodeCount == evicted && evicted > 50)
            #expect(share.fs.namedInodeCount == 1)
            for file in open { try share.release(file.node, file.handle) }
            for node in nodes + [named] { _ = try share.fs.getattr(node, nil, share.request()) }
            #expect(share.fs.namedInodeCount == 0)
        }
    }
}
