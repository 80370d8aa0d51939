import CKernel
import Glibc
import ServeSupport
import SystemPackage
import Testing
import VirtioTestSupport

/// VIRTIO_F_RING_PACKED and VIRTIO_F_VERSION_1.
let ringPacked = 34
let version1 = 32

/// The device as Linux sees it: a real driver that nobody here wrote. Each test boots.
///
/// Debian packages: qemu-system-x86 linux-image-cloud-amd64 busybox-static cpio kmod.
@Suite(.serialized) struct GuestTests {
    @Test(
        "A guest's file system does what the host's does, and 100 files go out to it and in", arguments: [false, true])
    func files(packed: Bool) throws {
        try GuestWork(cache: packed ? "always" : "auto", packed: packed, files: 100).check()
    }

    @Test("A change on the host is seen as the cache mode promises", arguments: ["never", "always"])
    func hostChange(cache: String) throws { try checkHostChange(cache: cache) }

    @Test("A guest is killed in the middle of writes: what it had synced is there, and the next guest goes on")
    func killed() throws { try checkKilledGuest() }

    @Test("A share is mounted and unmounted again and again")
    func cycles() throws { try checkCycles(10) }

    @Test("A share that is served read-only can't be changed")
    func readOnly() throws {
        let serve = try ServeProcess("--readonly")
        try serve.folder.add("file", Array("content".utf8))
        let outcome = try Guest(
            serve,
            script: """
                grep -q content file || exit 1
                if touch new 2> /dev/null; then exit 2; fi
                if echo more 2> /dev/null > file; then exit 3; fi
                if rm -f file 2> /dev/null; then exit 4; fi
                """
        ).finish()
        #expect(outcome.status == 0, "\(outcome.console) \(serve.log)")
        #expect(try serve.folder.content("file") == Array("content".utf8))
    }

    @Test("A mount point in the share is one of the guest's: a device of its own, at which find -xdev turns back")
    func submount() async {
        // What this process mounts ends with it.
        await #expect(processExitsWith: .success) {
            try #require(CKernel.unshare(CLONE_NEWNS) == 0)
            try #require(CKernel.mount("none", "/", nil, UInt(MS_REC | MS_PRIVATE), nil) == 0)
            let folder = TemporaryFolder()
            try folder.addFolder("other")
            let other = folder.path.appending("other").string
            try #require(CKernel.mount("none", other, "tmpfs", 0, "size=1m") == 0)
            defer { umount2(other, Int32(MNT_DETACH)) }
            try folder.add("other/file", Array("there".utf8))
            let serve = try ServeProcess(over: folder, "--announce-submounts")
            let outcome = try Guest(
                serve,
                script: """
                    grep -q there other/file || exit 1
                    [ $(stat -c %d .) != $(stat -c %d other/file) ] || exit 2
                    [ $(stat -c %d other) = $(stat -c %d other/file) ] || exit 3
                    [ -z "$(find . -xdev -name file)" ] || exit 4
                    [ $(find . -name file) = ./other/file ] || exit 5
                    if ln other/file link 2> /dev/null; then exit 6; fi
                    mv other/file moved && [ ! -e other/file ] && grep -q there moved || exit 7
                    """
            ).finish()
            #expect(outcome.status == 0, "\(outcome.console) \(serve.log)")
        }
    }
}
