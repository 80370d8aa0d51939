import CKernel
import FUSEWire
import Glibc
import HostDirectory
import SystemPackage
import Testing
import VirtioTestSupport

/// Errors from below: the share is itself a mount of ours, whose device fails as it is told.
@Suite(.serialized)
struct HostErrorTests {
    private let folder = TemporaryFolder()
    private let failing: Failing
    private let below: MountUnderTest
    private let mount: MountUnderTest

    /// Which operation fails, and how.
    private final class Failing: Sendable {
        private let state = Guarded<(Opcode, Errno)?>(nil)

        func set(_ opcode: Opcode?, _ error: Errno = .ioError) { state.withLock { $0 = opcode.map { ($0, error) } } }

        func check(_ opcode: Opcode) throws(Errno) {
            guard let (failing, error) = state.withLock({ $0 }), failing == opcode else { return }
            throw error
        }
    }

    init() throws {
        let failing = Failing()
        self.failing = failing
        let uncached = HostDirectoryOptions(cache: .never)
        try folder.add("file", Array("content".utf8))
        try folder.addFolder("folder")
        symlink("file", folder.path.string + "/link")
        below = try MountUnderTest(folder.path, serving: uncached) { opcode, _ throws(Errno) in
            try failing.check(opcode)
        }
        mount = try MountUnderTest(FilePath(below.mountPoint), serving: uncached)
    }

    /// The errno of a call, 0 where it succeeds.
    private func error(of call: () -> Int) -> Int32 { call() < 0 ? errno : 0 }

    private func calls() -> [(Opcode, () -> Int)] {
        func path(_ name: String) -> String { mount.path(name) }
        return [
            (.lookup, { access(path("other"), F_OK) == 0 ? 0 : -1 }),
            (.getattr, { HostFile.exists(path("file")) ? 0 : -1 }),
            (.setattr, { Int(chmod(path("file"), 0o600)) }),
            (.statfs, { HostFile.fileSystemStatus(path("file")) }),
            (.readlink, { HostFile.target(path("link")) }),
            (.symlink, { Int(symlink("x", path("n1"))) }),
            (.mkdir, { Int(mkdir(path("n2"), 0o755)) }),
            (.mknod, { Int(mkfifo(path("n3"), 0o600)) }),
            (.link, { Int(link(path("file"), path("n4"))) }),
            (.rename, { Int(rename(path("file"), path("n5"))) }),
            (.unlink, { Int(unlink(path("file"))) }),
            (.rmdir, { Int(rmdir(path("folder"))) }),
            (.create, { HostFile.with(path("n6"), O_RDWR | O_CREAT | O_EXCL) { _ in 0 } }),
            (.open, { HostFile.with(path("file"), O_RDONLY) { _ in 0 } }),
            (.opendir, { HostFile.with(path("folder"), O_RDONLY | O_DIRECTORY) { _ in 0 } }),
        ]
    }

    @Test("A call that fails on the host fails on the mount with the host's errno, whatever it is")
    func byName() throws {
        for (opcode, call) in calls() {
            for number in [EIO, EUCLEAN, ENOMEM, EREMOTEIO] {
                failing.set(opcode, Errno(rawValue: number))
                #expect(error(of: call) == number, "\(opcode)")
            }
            failing.set(nil)
        }
        #expect(HostFile.names(mount.mountPoint) == ["file", "folder", "link"])
    }

    @Test("Reading, writing, syncing, listing and closing fail with the host's errno; afterwards all goes on")
    func byDescriptor() throws {
        let file = open(mount.path("file"), O_RDWR | O_CLOEXEC)
        let folder = open(mount.path("folder"), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try #require(file >= 0 && folder >= 0)
        var byte: UInt8 = 0
        let calls: [(Opcode, () -> Int)] = [
            (.read, { pread(file, &byte, 1, 0) }),
            (.write, { pwrite(file, "x", 1, 100) }),
            (.fsync, { Int(fsync(file)) }),
            (.fsyncdir, { Int(fsync(folder)) }),
            (.flush, { Int(close(dup(file))) }),
            (.readdirplus, { HostFile.list(folder) }),
            (.readdir, { HostFile.list(folder) }),
        ]
        for (opcode, call) in calls {
            let known = below.counts[opcode]
            failing.set(opcode, Errno(rawValue: EUCLEAN))
            let found = error(of: call)
            failing.set(nil)
            // Of the two kinds of listing, the kernel chooses one.
            #expect(found == EUCLEAN || below.counts[opcode] == known, "\(opcode): \(found)")
            #expect(error(of: call) == 0, "\(opcode)")
        }
        #expect(below.counts[.readdirplus] + below.counts[.readdir] > 0)
        close(file)
        close(folder)
        #expect(try self.folder.content("file").first == UInt8(ascii: "c"))
    }
}

extension HostFile {
    static func fileSystemStatus(_ path: String) -> Int {
        var status = Glibc.statvfs()
        return Int(statvfs(path, &status))
    }

    /// The length of a link's target, -1 with errno where it can't be read.
    static func target(_ path: String) -> Int {
        var bytes = [CChar](repeating: 0, count: 256)
        return readlink(path, &bytes, bytes.count)
    }

    /// Opens a file for `body`; -1 with errno where it can't be.
    static func with(_ path: String, _ flags: Int32, _ body: (Int32) -> Int) -> Int {
        let file = open(path, flags | O_CLOEXEC, 0o600)
        guard file >= 0 else { return -1 }
        defer { close(file) }
        return body(file)
    }

    /// Reads a folder from its start to its end: 0, or -1 with errno where it can't be read.
    static func list(_ folder: Int32) -> Int {
        lseek(folder, 0, SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = ck_getdents64(folder, &bytes, bytes.count)
            if count <= 0 { return count }
        }
    }
}
