import CKernel
import GuestVFS
import SystemPackage
import Testing
import VirtioFSDriver
import VirtioTestSupport

/// Open files of the guest's processes, and what is between them.
struct FileTests {
    @Test("Positions, appends, holes, truncation, a copy between files: the host sees the same bytes")
    func content() async throws {
        try await GuestUnderTest.run { test in
            let process = try await test.process()
            let file = try await process.open("f", O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
            try await file.write(Array("hello".utf8))
            #expect(try await file.seek(to: -2, SEEK_END) == 3)
            #expect(try await file.read(10) == Array("lo".utf8))
            #expect(try await file.write([UInt8](repeating: 1, count: 3 << 20), at: 1 << 20) == 3 << 20)
            #expect(try await file.seek(to: 5000, SEEK_DATA) == 1 << 20)
            #expect(
                try await file.read(5 << 20, at: 4) == [UInt8(ascii: "o")] + [UInt8](repeating: 0, count: (1 << 20) - 5)
                    + [UInt8](repeating: 1, count: 3 << 20))
            try await file.truncate(size: 7)
            let appending = try await process.open("f", O_WRONLY | O_APPEND)
            try await appending.write(Array("!".utf8))
            try await appending.write(Array("?".utf8))
            #expect(try test.folder.content("f") == Array("hello".utf8) + [0, 0] + Array("!?".utf8))
            let copy = try await process.open("g", O_RDWR | O_CREAT, mode: 0o600)
            #expect(try await file.copy(from: 1, to: copy, at: 0, count: 4) == 4)
            #expect(try test.folder.content("g") == Array("ello".utf8))
            #expect(await failure { () async throws(Errno) in try await appending.read(1) } == .badFileDescriptor)
            try await file.sync()
            for open in [file, appending, copy] { try await open.close() }
        }
    }

    @Test("Many tasks append at once, and nothing is lost")
    func appends() async throws {
        try await GuestUnderTest.run { test in
            let first = try await test.process()
            let second = try await GuestProcess(besides: first, as: .root)
            try test.folder.add("log")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<8 {
                    group.addTask {
                        let file = try await (index % 2 == 0 ? first : second).open("log", O_WRONLY | O_APPEND)
                        for _ in 0..<50 { try await file.write([UInt8](repeating: UInt8(index), count: 10)) }
                        try await file.close()
                    }
                }
                try await group.waitForAll()
            }
            let log = try test.folder.content("log")
            #expect(log.count == 4000)
            for index in 0..<8 { #expect(log.count { $0 == index } == 500) }
        }
    }

    @Test("A file without a name gets one; the working folder is where the process went; 40 links are followed, 41 not")
    func walks() async throws {
        try await GuestUnderTest.run { test in
            let process = try await test.process()
            try await process.mkdir("a", mode: 0o755)
            try await process.mkdir("a/b", mode: 0o755)
            try await process.chdir("a/../a/b")
            #expect(process.workingFolder == "/a/b")
            let nameless = try await process.open(".", O_WRONLY | ck_o_tmpfile, mode: 0o640)
            try await nameless.write([1, 2, 3])
            #expect(try await nameless.stat().nlink == 0)
            try await nameless.close()
            try await process.mkdir("0", mode: 0o755)
            for index in 1...41 { try await process.symlink("\(index)", target: "\(index - 1)") }
            #expect(try await process.stat("40").isFolder)
            #expect(
                await failure { () async throws(Errno) in try await process.stat("41") } == .tooManySymbolicLinkLevels)
            try await process.chdir("..")
            #expect(process.workingFolder == "/a")
            #expect(try await process.stat("b/3/").isFolder)
        }
    }

    @Test("Locks: of a range they are the process's, of a file the open file's")
    func locks() async throws {
        try await GuestUnderTest.run { test in
            let first = try await test.process()
            let second = try await GuestProcess(besides: first, as: .root)
            try test.folder.add("f")
            let mine = try await first.open("f", O_RDWR)
            let mineToo = try await first.open("f", O_RDWR)
            let theirs = try await second.open("f", O_RDWR)
            try await mine.lock(F_WRLCK, from: 10, length: 10)
            try await mineToo.lock(F_WRLCK, from: 15, length: 1)
            let obstacle = try await theirs.obstacle(to: F_RDLCK, from: 0, length: 12)
            #expect(obstacle?.start == 10 && obstacle?.type == UInt32(F_WRLCK))
            #expect(try await theirs.obstacle(to: F_RDLCK, from: 0, length: 10) == nil)
            try await mine.close()
            try await theirs.lock(F_RDLCK, from: 0, length: 100)
            try await theirs.flock(F_WRLCK)
            #expect(
                await failure { () async throws(Errno) in
                    try await mineToo.flock(F_RDLCK)
                } == .resourceTemporarilyUnavailable)
            try await theirs.close()
            try await mineToo.flock(F_RDLCK)
            try await mineToo.close()
        }
    }

    @Test("Times to the nanosecond, also before 1970")
    func times() async throws {
        try await GuestUnderTest.run { test in
            let process = try await test.process()
            try test.folder.add("f")
            try await process.utimens(
                "f", access: timespec(tv_sec: -12_345, tv_nsec: 1),
                modification: timespec(tv_sec: 5, tv_nsec: 999_999_999))
            let found = try await process.stat("f")
            var host = CKernel.stat()
            #expect(lstat(test.folder.path.appending("f").string, &host) == 0)
            #expect(host.st_atim.tv_sec == -12_345 && Int64(bitPattern: found.atime) == -12_345 && found.atimensec == 1)
            #expect(host.st_mtim.tv_nsec == 999_999_999 && found.mtimensec == 999_999_999)
        }
    }
}

/// The error that a call throws.
func failure<Value>(_ body: () async throws(Errno) -> Value) async -> Errno? {
    do throws(Errno) {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}
