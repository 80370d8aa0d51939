import CKernel
import FUSEWire
import Glibc
import HostDirectory
import SystemPackage
import Testing
import VirtioTestSupport

/// Writes that the kernel collects (`--writeback`).
@Suite(.serialized)
struct WritebackTests {
    private let share = TemporaryFolder()
    private let mount: MountUnderTest

    init() throws { mount = try MountUnderTest(share.path, serving: HostDirectoryOptions(writeback: true)) }

    private func host(_ name: String) -> String { share.path.string + "/" + name }

    private func open(_ name: String, _ flags: Int32) throws -> Int32 {
        let file = Glibc.open(mount.path(name), flags | O_CLOEXEC, 0o644)
        return try #require(file >= 0 ? file : nil, "errno \(errno)")
    }

    @Test("Writes are collected, and are on the host after fsync(2) or fdatasync(2)")
    func collected() throws {
        let file = try open("file", O_WRONLY | O_CREAT)
        defer { close(file) }
        for byte in "hundred".utf8 { #expect(write(file, [byte], 1) == 1) }
        #expect(mount.counts[.write] == 0)
        #expect(fsync(file) == 0)
        #expect(HostFile.content(host("file")) == "hundred")
        #expect(mount.counts[.write] == 1)
        #expect(pwrite(file, "H", 1, 0) == 1)
        #expect(fdatasync(file) == 0)
        #expect(HostFile.content(host("file")) == "Hundred")
    }

    @Test("Size and time of modification are right at once on the mount, and on the host when the file is closed")
    func attributes() throws {
        HostFile.write("x", to: host("file"), modified: 1_000_000)
        let before = time(nil)
        let file = try open("file", O_WRONLY)
        #expect(pwrite(file, "12345", 5, 10) == 5)
        let status = try #require(HostFile.status(mount.path("file")))
        #expect(status.st_size == 15)
        #expect(status.st_mtim.tv_sec >= before - 1)
        close(file)
        let (onMount, onHost) = (HostFile.status(mount.path("file")), HostFile.status(host("file")))
        #expect(onHost?.st_size == 15)
        #expect(onHost?.st_mtim.tv_sec == onMount?.st_mtim.tv_sec)
        #expect(onHost?.st_mtim.tv_nsec == onMount?.st_mtim.tv_nsec)
        #expect(onHost?.st_mtim.tv_sec == status.st_mtim.tv_sec)
    }

    @Test("A time that is set after a write stays, whenever the data goes out")
    func timesThatAreSet() throws {
        let file = try open("file", O_WRONLY | O_CREAT)
        #expect(write(file, "text", 4) == 4)
        let times = [timespec(tv_sec: 5, tv_nsec: 6), timespec(tv_sec: 7, tv_nsec: 8)]
        #expect(futimens(file, times) == 0)
        #expect(fsync(file) == 0)
        close(file)
        for path in [mount.path("file"), host("file")] {
            let status = HostFile.status(path)
            #expect(status?.st_mtim.tv_sec == 7 && status?.st_mtim.tv_nsec == 8 && status?.st_size == 4)
        }
    }

    @Test("O_APPEND of several descriptors is at the end each time, and so on the host")
    func append() throws {
        HostFile.write("start", to: host("file"), modified: 1_000_000)
        let files = try (0..<3).map { _ in try open("file", O_WRONLY | O_APPEND) }
        var expected = "start"
        for round in 0..<300 {
            let text = "\(round),"
            #expect(write(files[round % 3], text, text.utf8.count) == text.utf8.count)
            expected += text
        }
        #expect(HostFile.content(mount.path("file")) == expected)
        for file in files { close(file) }
        #expect(HostFile.content(host("file")) == expected)
    }

    @Test("A part of a page written to a file that is open for writing only leaves the rest of the page")
    func partOfPage() throws {
        HostFile.write("0123456789", to: host("file"), modified: 1_000_000)
        let file = try open("file", O_WRONLY)
        #expect(pwrite(file, "ab", 2, 4) == 2)
        #expect(ftruncate(file, 8) == 0)
        close(file)
        #expect(HostFile.content(host("file")) == "0123ab67")
        #expect(HostFile.content(mount.path("file")) == "0123ab67")
    }
}
