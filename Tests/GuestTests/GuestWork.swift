import ServeSupport
import Testing
import VirtioTestSupport

/// What every guest should be able to do with a share, however it is served: the cases of Guest/cases.sh, a tree of files
/// out and in, mount options and remounts.
struct GuestWork {
    var cache = "auto"
    var writeback = false
    var packed = false
    var files: Int
    /// A static `posixsuite`, where there is one.
    var suite: String?
    var limit = 240

    /// What Linux 6.1 can't do here, whatever the device does: its driver tells the device of no signal (6.12's neither), it
    /// sends no supplementary group (from 6.3 on it can), and FUSE refuses to collapse and insert ranges by itself.
    private static let beyondLinux = [
        "lock.waiting-is-interrupted-by-a-signal", "flock.waiting-is-interrupted-by-a-signal",
        "setgid.folder-strips-the-bit-from-strangers'-files", "allocate.collapse-range", "allocate.insert-range",
    ]

    /// What needs the host to have the bytes, when the guest's kernel still keeps them: blocks are counted and holes found
    /// by the host, and that an offset is too large is known only when the bytes are written back. And what needs one
    /// clock: changes have the guest's times then, accesses the host's (iattr_to_fattr of fs/fuse/dir.c).
    private static let beyondWriteback = [
        "truncate.frees-blocks", "sparse.hole-at-the-end-of-a-full-file",
        "sparse.written-but-not-synced-data-is-found", "sparse.seek-moves-the-position", "sparse.largest-offset",
        "allocate.punch-hole", "time.now",
    ]

    /// What needs the guest's kernel to remember a file that nobody uses: where it may keep no name, its virtio-fs driver
    /// forgets the file with the last use (`delete_stale`, fs/fuse/dir.c), and a handle of the file is stale.
    private static let beyondNever = ["at.file-handles-lead-back"]

    /// What takes capabilities that a confined device gives up: with `--modcaps` it is served, too.
    static let beyondConfinement = [
        "fd.append-only-file-flag", "fd.immutable-file-flag", "xattr.trusted-namespace-is-root's",
    ]

    private var exclusions: String {
        let ofMode = writeback ? Self.beyondWriteback : cache == "never" ? Self.beyondNever : []
        return (Self.beyondLinux + Self.beyondConfinement + ofMode).map { "--without \"\($0)\"" }
            .joined(separator: " ")
    }

    /// Copies the host's tree out of the share, and back into it, with checksums of what the guest saw.
    private var script: String {
        """
        stage() { echo; echo "stage $1 after $(cut -d ' ' -f 1 /proc/uptime) s"; }
        stage cases
        mkdir cases && (cd cases && sh -c "$(cat /cases.sh)") > cases.said
        if [ -e /posixsuite ]; then
          stage suite
          mkdir suite && /posixsuite \(exclusions) suite > suite.said 2>&1 || { grep -v ^ok suite.said; exit 2; }
        fi
        stage out
        mkdir /tmp/out && tar cf - -C host . | tar xf - -C /tmp/out || exit 3
        (cd /tmp/out && find . -type f | sort | xargs sha256sum) > out.sums
        stage in
        mkdir guest && tar cf - -C /tmp/out . | tar xf - -C guest || exit 4
        stage remount
        mount -o remount,ro /mnt || exit 5
        touch new 2> /dev/null && exit 6
        mount -o remount,rw /mnt && touch new || exit 7
        cd / && umount /mnt || exit 8
        mount -t virtiofs -o ro,noatime myfs /mnt || exit 9
        (echo x > /mnt/new) 2> /dev/null && exit 10
        cmp /mnt/host/large /mnt/guest/large || exit 11
        umount /mnt && mount -t virtiofs myfs /mnt && rm /mnt/new || exit 12
        stage end
        """
    }

    func check() throws {
        let serve = try ServeProcess(options: ["--cache", cache] + (writeback ? ["--writeback"] : []))
        try makeTree(serve.folder)
        let before = serve.holdings
        var machine = GuestMachine()
        machine.packed = packed
        machine.limit = limit
        machine.files = [Guest.resource("cases.sh")] + (suite.map { [$0] } ?? [])
        let outcome = try Guest(serve, machine, script: script).finish()
        try #require(outcome.status == 0, "\(outcome.console) \(serve.log)")
        #expect(outcome.accepted(version1))
        #expect(outcome.accepted(ringPacked) == packed)
        try checkFiles(HostSide(serve))
        #expect(serve.holdings(settlingAt: before) == before)
        #expect(serve.log == "")
        #expect(serve.terminate() == 0)
    }

    private func checkFiles(_ host: HostSide) throws {
        let (cases, oracle) = (try host.text("cases.said"), try HostSide.casesWithoutGuest())
        let lines = (cases.split(separator: "\n"), oracle.split(separator: "\n"))
        #expect(cases == oracle, "\(lines.0.difference(from: lines.1))")
        let sums = try host.sums("host")
        #expect(sums.split(separator: "\n").count == files + 1)
        #expect(try host.text("out.sums") == sums)
        #expect(try host.sums("guest") == sums)
        #expect(!host.exists("new"))
    }

    /// Files of up to 8 KiB in ten folders, and one of 3 MB.
    private func makeTree(_ folder: TemporaryFolder) throws {
        var generator = SeededGenerator(seed: 1)
        try folder.addFolder("host")
        for index in 0..<10 { try folder.addFolder("host/\(index)") }
        for index in 0..<files {
            let size = Int.random(in: 0...8192, using: &generator)
            try folder.add("host/\(index % 10)/\(index)", bytes(size, &generator))
        }
        try folder.add("host/large", bytes(3_000_001, &generator))
    }

    private func bytes(_ count: Int, _ generator: inout SeededGenerator) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }
}
