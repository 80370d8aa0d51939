import CKernel
import FUSEWire
import Glibc
import HostDirectory
import SystemPackage
import Testing
import VirtioFSDevice
import VirtioTestSupport

/// What mount options and limits change in the requests that the kernel sends.
@Suite(.serialized)
struct MountOptionTests {
    private let share = TemporaryFolder()

    /// Runs `body` with a buffer that direct I/O takes.
    private func withPages(_ count: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
        let pages = UnsafeMutableRawPointer.allocate(byteCount: count * 4096, alignment: 4096)
        defer { pages.deallocate() }
        memset(pages, 1, count * 4096)
        body(pages)
    }

    @Test("max_read bounds READs, and the device's max_write WRITEs")
    func sizes() throws {
        var limits = FUSELimits()
        limits.maxWrite = 8192
        let mount = try MountUnderTest(share.path, limits: limits, options: ["max_read=4096"])
        let file = open(mount.path("file"), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0o600)
        try #require(file >= 0)
        defer { close(file) }
        withPages(16) { pages in
            #expect(pwrite(file, pages, 65_536, 0) == 65_536)
            #expect(mount.counts[.write] == 8)
            #expect(pread(file, pages, 65_536, 0) == 65_536)
            #expect(mount.counts[.read] == 16)
        }
    }

    @Test("With sync, each write(2) is followed by an FSYNC; without, it is not")
    func synchronous() throws {
        for (options, expected) in [([], 0), (["sync"], 3)] {
            let mount = try MountUnderTest(share.path, options: options)
            let file = open(mount.path("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            try #require(file >= 0)
            for _ in 0..<3 { #expect(write(file, "x", 1) == 1) }
            close(file)
            #expect(mount.counts[.fsync] == expected)
        }
    }

    @Test("Several mounts of one share in one process see each other's files and locks, and end one by one")
    func severalMounts() throws {
        let options = HostDirectoryOptions(cache: .never)
        var mounts = try (0..<3).map { _ in try MountUnderTest(share.path, serving: options) }
        let first = open(mounts[0].path("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        #expect(write(first, "one", 3) == 3)
        #expect(flock(first, LOCK_EX | LOCK_NB) == 0)
        let others = try (1..<3).map { index in
            let file = open(mounts[index].path("file"), O_RDWR | O_CLOEXEC)
            var bytes = [UInt8](repeating: 0, count: 8)
            #expect(pread(file, &bytes, 8, 0) == 3 && bytes[..<3] == [0x6f, 0x6e, 0x65])
            #expect(flock(file, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK)
            return try #require(file >= 0 ? file : nil)
        }
        close(first)
        mounts.removeFirst()
        #expect(flock(others[0], LOCK_EX | LOCK_NB) == 0)
        #expect(flock(others[1], LOCK_EX | LOCK_NB) == -1)
        #expect(try share.content("file") == Array("one".utf8))
        for file in others { close(file) }
    }

    @Test("What is closed is flushed, but not what was only read where the device has no locks to drop")
    func flush() throws {
        for (locks, flags, expected) in [
            (true, O_RDONLY, 1), (true, O_RDWR, 1), (false, O_RDONLY, 0), (false, O_WRONLY, 1), (false, O_RDWR, 1),
        ] {
            let mount = try MountUnderTest(share.path, serving: HostDirectoryOptions(locks: locks))
            try #require(close(creat(mount.path("file"), 0o600)) == 0)
            let before = mount.counts[.flush]
            try #require(close(open(mount.path("file"), flags)) == 0)
            #expect(mount.counts[.flush] - before == expected, "locks \(locks), flags \(flags)")
        }
    }

    @Test("The kernel reads ahead a whole request, or what the device allows: more than the kernel's 128 KiB, or less")
    func readAhead() throws {
        var limits = FUSELimits()
        let limitsAndSettings: [(UInt32, String)] = [
            (.max, "1024"), (4 << 20, "1024"), (512 << 10, "512"), (128 << 10, "128"), (64 << 10, "64"),
        ]
        for (limit, expected) in limitsAndSettings {
            limits.maxReadahead = limit
            let mount = try MountUnderTest(share.path, limits: limits)
            var status = stat()
            try #require(stat(mount.mountPoint, &status) == 0)
            let setting = "/sys/class/bdi/\(gnu_dev_major(status.st_dev)):\(gnu_dev_minor(status.st_dev))/read_ahead_kb"
            #expect(HostFile.content(setting) == expected + "\n")
        }
    }

    @Test("Who lists names only is spared the nodes of files; who then looks files up gets them with the listing again")
    func listing() throws {
        for folder in ["a", "b", "c", "d", "e"] {
            try #require(mkdir("\(share.path)/\(folder)", 0o755) == 0)
            for file in 0..<20 { close(creat("\(share.path)/\(folder)/\(file)", 0o600)) }
        }
        let mount = try MountUnderTest(share.path, serving: HostDirectoryOptions(cache: .always))
        func list(_ folder: String, stating: Bool) throws -> Int {
            let before = mount.counts[.lookup]
            let names = HostFile.names(mount.path(folder))
            #expect(names.count == 20)
            var status = stat()
            for name in names where stating { #expect(stat(mount.path("\(folder)/\(name)"), &status) == 0) }
            return mount.counts[.lookup] - before
        }
        // One LOOKUP is the folder's own, the other that of the file that is left out.
        #expect(try list("a", stating: false) == 1)
        #expect(try list("b", stating: false) == 1)
        #expect(try list("c", stating: true) == 21)
        #expect(try list("d", stating: true) == 2)
        #expect(try list("e", stating: true) == 2)
    }
}
