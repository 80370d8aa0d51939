import Glibc
import HostDirectory
import SystemPackage
import Testing
import VirtioTestSupport

/// mmap(2) on the mount, in every cache mode.
@Suite(.serialized)
struct MappingTests {
    private static let size = 3 * 4096

    private func map(_ file: Int32, _ protection: Int32, _ flags: Int32) throws -> UnsafeMutablePointer<UInt8> {
        let address = mmap(nil, Self.size, protection, flags, file, 0)
        try #require(address != MAP_FAILED, "errno \(errno)")
        return try #require(address).assumingMemoryBound(to: UInt8.self)
    }

    @Test(
        "Shared and private mappings, read and written, agree with read(2), write(2) and the host",
        arguments: CacheMode.allCases, [false, true])
    func mappings(_ cache: CacheMode, writeback: Bool) throws {
        let share = TemporaryFolder()
        let mount = try MountUnderTest(share.path, serving: HostDirectoryOptions(cache: cache, writeback: writeback))
        try share.add("file", Array(repeating: 0x61, count: Self.size))
        let file = open(mount.path("file"), O_RDWR | O_CLOEXEC)
        let reader = open(mount.path("file"), O_RDONLY | O_CLOEXEC)
        try #require(file >= 0 && reader >= 0)
        let shared = try map(file, PROT_READ | PROT_WRITE, MAP_SHARED)
        let own = try map(reader, PROT_READ | PROT_WRITE, MAP_PRIVATE)
        let readOnly = try map(reader, PROT_READ, MAP_SHARED)
        defer { for address in [shared, own, readOnly] { munmap(address, Self.size) } }

        #expect(shared[0] == 0x61 && own[5000] == 0x61 && readOnly[Self.size - 1] == 0x61)
        shared[4096] = 0x62
        own[0] = 0x63
        #expect(readOnly[4096] == 0x62 && readOnly[0] == 0x61)
        #expect(msync(shared, Self.size, MS_SYNC) == 0)
        var expected = [UInt8](repeating: 0x61, count: Self.size)
        expected[4096] = 0x62
        #expect(try share.content("file") == expected)

        // write(2) shows in the mappings, and what was written to a mapping in read(2).
        #expect(pwrite(file, "d", 1, 8192) == 1)
        #expect(readOnly[8192] == 0x64 && own[8192] == 0x64)
        shared[1] = 0x65
        var byte: UInt8 = 0
        #expect(pread(reader, &byte, 1, 1) == 1 && byte == 0x65)
        close(reader)
        close(file)
        // The mapping outlives the descriptors.
        shared[2] = 0x66
        #expect(msync(shared, Self.size, MS_SYNC) == 0)
        (expected[1], expected[2], expected[8192]) = (0x65, 0x66, 0x64)
        #expect(try share.content("file") == expected)
    }
}
