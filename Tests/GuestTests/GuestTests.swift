import Foundation
import ServeSupport
import SystemPackage
import Testing
import VirtioTestSupport

/// The device as Linux sees it: a real driver that nobody here wrote.
///
/// Each test boots; where a machine lacks QEMU or a kernel they are skipped (Debian packages: qemu-system-x86
/// linux-image-cloud-amd64 busybox-static cpio kmod).
@Suite(.serialized, .enabled(if: Guest.isAvailable))
struct GuestTests {
    /// VIRTIO_F_RING_PACKED and VIRTIO_F_VERSION_1.
    static let ringPacked = 34
    static let version1 = 32

    /// Copies the host's tree out of the share and one of the guest's own into it, with checksums of what the guest saw.
    static let treeScript = """
        set -e
        sums() { (cd "$1" && find . -type f | sort | xargs sha256sum); }
        mkdir /tmp /tmp/out /tmp/in && tar cf - -C host . | tar xf - -C /tmp/out
        sums /tmp/out > out.sums
        i=0; while [ $i -lt 200 ]; do
          mkdir -p /tmp/in/d$((i % 10)); echo "guest $i" > /tmp/in/d$((i % 10))/f$i; i=$((i + 1))
        done
        dd if=/dev/urandom of=/tmp/in/large bs=64k count=64 2>/dev/null
        mkdir guest && tar cf - -C /tmp/in . | tar xf - -C guest
        sums /tmp/in > in.sums
        """

    @Test("A tree of files goes out to the guest and comes in from it unchanged", arguments: [false, true])
    func tree(packed: Bool) throws {
        let serve = try ServeProcess("--cache", packed ? "always" : "auto", "--queues", "2")
        try serve.folder.addFolder("host")
        for index in 0..<200 { try serve.folder.add("host/f\(index)", Array("host \(index)\n".utf8)) }
        var generator = SeededGenerator(seed: 1)
        let large = (0..<3_000_001).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        try serve.folder.add("host/large", large)
        let before = serve.descriptorCount

        let outcome = try Guest(serve, packed: packed, script: Self.treeScript).finish()
        try #require(outcome.status == 0, "\(outcome.console) \(serve.log)")
        #expect(outcome.accepted(Self.version1))
        #expect(outcome.accepted(Self.ringPacked) == packed)
        let root = serve.folder.path.string
        #expect(try sums(of: root + "/host") == text(root + "/out.sums"))
        #expect(try sums(of: root + "/guest") == text(root + "/in.sums"))
        #expect(try text(root + "/in.sums").split(separator: "\n").count == 201)
        #expect(serve.descriptorCount(settlingAt: before) == before)
        #expect(serve.terminate() == 0)
    }

    @Test(
        "A change on the host is seen at once without a cache, within two seconds with", arguments: ["never", "auto"])
    func hostChange(cache: String) throws {
        let serve = try ServeProcess("--cache", cache)
        try serve.folder.add("file", Array("before".utf8))
        let guest = try Guest(
            serve,
            script: """
                echo; echo "read $(cat file)"
                until [ -e go ]; do sleep 0.1; done
                [ \(cache) = never ] || sleep 2
                echo "read $(cat file)"
                """)
        try #require(guest.says("read before"), "\(guest.console)")
        try serve.folder.add("file", Array("after, and longer".utf8))
        try serve.folder.add("go")
        let outcome = guest.finish()
        #expect(outcome.status == 0)
        #expect(outcome.console.contains("\nread after, and longer\n"), "\(outcome.console)")
    }

    @Test("A guest is killed in the middle of writes: what it had synced is there, and the next guest goes on")
    func killed() throws {
        let serve = try ServeProcess()
        let before = serve.descriptorCount
        let guest = try Guest(
            serve,
            script: """
                dd if=/dev/urandom of=synced bs=64k count=16 conv=fsync 2>/dev/null
                echo; echo "sum $(sha256sum < synced)"
                while :; do dd if=/dev/zero of=junk bs=256k count=8 2>/dev/null; echo writing; done
                """)
        try #require(guest.says("writing"), "\(guest.console)")
        guest.kill()
        let root = serve.folder.path.string
        let sum = try run("sha256sum < \(root)/synced")
        #expect(guest.console.contains("\nsum \(sum)"))
        #expect(serve.descriptorCount(settlingAt: before) == before)

        let next = try Guest(serve, script: "echo; echo \"sum $(sha256sum < synced)\"; echo again > again").finish()
        #expect(next.status == 0, "\(next.console) \(serve.log)")
        #expect(next.console.contains("\nsum \(sum)"))
        #expect(try text(root + "/again") == "again\n")
        #expect(serve.descriptorCount(settlingAt: before) == before)
        #expect(serve.terminate() == 0)
    }

    @Test("A share is mounted and unmounted again and again, and read-only")
    func cycles() throws {
        let serve = try ServeProcess("--readonly")
        try serve.folder.add("file", Array("content".utf8))
        let outcome = try Guest(
            serve,
            script: """
                cd /; i=0; while [ $i -lt 10 ]; do
                  umount /mnt && mount -t virtiofs myfs /mnt && grep -q content /mnt/file || exit 1; i=$((i + 1))
                done
                if touch /mnt/new 2>/dev/null; then exit 2; fi
                if echo more 2>/dev/null > /mnt/file; then exit 3; fi
                """
        ).finish()
        #expect(outcome.status == 0, "\(outcome.console) \(serve.log)")
        #expect(try serve.folder.content("file") == Array("content".utf8))
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    private func sums(of folder: String) throws -> String {
        try run("cd \(folder) && find . -type f | LC_ALL=C sort | xargs sha256sum")
    }

    /// What a shell command says.
    private func run(_ command: String) throws -> String {
        let place = TemporaryFolder()
        let output = place.path.appending("output").string
        let status = "(\(command)) > \(output)".withCString { system($0) }
        try #require(status == 0, "\(command)")
        return try text(output)
    }
}
