import CKernel
import FUSEWire
import Glibc
import HostDirectory
import Synchronization
import Syscalls
import SystemPackage
import Testing

/// Only in the full run (`VIRTIOFS_FULL=1`): they take a while.
@Suite(.enabled(if: getenv("VIRTIOFS_FULL") != nil)) struct WalkTests {
    @Test("Under ulimit -n 1024, four threads walk 100,000 files by LOOKUP and READDIRPLUS, and all stay known")
    func manyFiles() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 1024, rlim_max: 1024)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            let share = try Share()
            try makeTree(share, folders: 100, files: 1000)
            let start = ContinuousClock.now
            try walk(share, folders: 100, files: 1000)
            print("walked 100,000 files in \(ContinuousClock.now - start), evicted: \(share.fs.evictedInodeCount)")
            #expect(share.fs.inodeCount == 100_101 && share.fs.evictedInodeCount > 99_000)
            share.fs.end()
            #expect(share.descriptorCount == 1)
        }
    }
}

private func makeTree(_ share: Share, folders: Int, files: Int) throws {
    for folder in 0..<folders {
        CKernel.mkdir(share.path("\(folder)"), 0o755)
        for file in 0..<files {
            let raw = try #require(CKernel.creat(share.path("\(folder)/\(file)"), 0o644) as Int32?)
            CKernel.close(raw)
        }
    }
}

/// Each thread lists every fourth folder, then asks for everything that it was told.
private func walk(_ share: Share, folders: Int, files: Int) throws {
    let wrong = Atomic<Int>(0)
    try withThreads(4) { thread in
        for folder in stride(from: thread, to: folders, by: 4) {
            let failure = errorOf {
                let node = try share.node("\(folder)")
                let handle = try share.opendir(node)
                let listed = try share.list(node, handle, size: 65536, plus: true)
                try share.release(node, handle, folder: true)
                guard listed.count == files + 2 else { throw Errno.ioError }
                for entry in listed where entry.node != 0 {
                    let attributes = try share.fs.getattr(NodeID(rawValue: entry.node), nil, share.request()).attr
                    guard attributes.ino == entry.inode else { throw Errno.ioError }
                    guard try share.node(entry.text, in: node).rawValue == entry.node else { throw Errno.ioError }
                }
            }
            if failure.rawValue != 0 { wrong.add(1, ordering: .relaxed) }
        }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
}
