import Foundation
import ProcessSupport
import ServeSupport
import Testing
import VirtioTestSupport

/// Whether the long tests run: with `VIRTIOFS_FULL=1`, as `.ci/full` has it.
let runsInFull = getenv("VIRTIOFS_FULL") != nil

/// Every cache mode, or those that `VIRTIOFS_GUEST_MODES` names, with commas between them: each takes minutes.
let cacheModes: [String] =
    getenv("VIRTIOFS_GUEST_MODES").map { String(cString: $0).split(separator: ",").map(String.init) }
    ?? ["never", "metadata", "auto", "always", "writeback"]

extension GuestTests {
    /// What takes a guest longer than a usual test run may.
    @Suite(.enabled(if: runsInFull)) struct LongTests {
        @Test(
            "The POSIX suite, 5,000 files out and in, remounts: in every cache mode, on both kinds of ring",
            arguments: cacheModes, [false, true])
        func modes(mode: String, packed: Bool) throws {
            let isWriteback = mode == "writeback"
            var work = GuestWork(
                cache: isWriteback ? "always" : mode, writeback: isWriteback, packed: packed, files: 5000)
            work.suite = String(cString: try #require(getenv("VIRTIOFS_POSIXSUITE")))
            work.limit = 1500
            try work.check()
        }

        @Test("With the capabilities for it, flags of files and trusted attributes are served to a guest, too")
        func capabilities() throws {
            let serve = try ServeProcess("--modcaps=+sys_admin:+linux_immutable")
            var machine = GuestMachine()
            machine.files = [String(cString: try #require(getenv("VIRTIOFS_POSIXSUITE")))]
            let only = GuestWork.beyondConfinement.map { "--only \"\($0)\"" }.joined(separator: " ")
            let outcome = try Guest(serve, machine, script: "mkdir suite; /posixsuite \(only) suite").finish()
            #expect(outcome.status == 0, "\(outcome.console)")
            for name in GuestWork.beyondConfinement {
                #expect(outcome.console.contains("ok \(name)\n"), "\(outcome.console)")
            }
        }

        @Test("A change on the host is seen as the cache mode promises", arguments: ["metadata", "auto"])
        func hostChange(cache: String) throws { try checkHostChange(cache: cache) }

        @Test("With writeback, the host has the bytes when the guest has synced them, not before")
        func writeback() throws {
            let serve = try ServeProcess("--cache", "always", "--writeback")
            try serve.folder.addFolder("go")
            let guest = try Guest(
                serve,
                script: """
                    # An hour. With zero, "never", Linux 6.1 looks at once, and finds any page too many for a new mount.
                    echo 360000 > /proc/sys/vm/dirty_writeback_centisecs
                    # Nobody closes the file, which would write it back.
                    mkfifo /tmp/text; dd if=/tmp/text of=file bs=8 2> /dev/null & exec 3> /tmp/text
                    i=0; while [ $i -lt 1000 ]; do echo 1234567 >&3; i=$((i + 1)); done
                    until [ $(stat -c %s file) = 8000 ]; do sleep 0.1; done
                    echo; echo "written"
                    i=0; until [ -e go/$i ]; do i=$((i + 1)); sleep 0.1; done
                    sync
                    echo; echo "synced"
                    while [ -e go/0 ]; do i=$((i + 1)); [ -e go/$i ] || sleep 0.1; done
                    """)
            let host = HostSide(serve)
            try #require(guest.says("written"), "\(guest.console)")
            #expect(try host.size("file") == 0)
            for index in 0..<1000 { try serve.folder.add("go/\(index)") }
            try #require(guest.says("synced"), "\(guest.console)")
            #expect(try host.size("file") == 8000)
            guest.kill()
        }

        @Test("200 mounts and unmounts by one guest leave nothing behind", arguments: [false, true])
        func cycles(packed: Bool) throws {
            var machine = GuestMachine()
            machine.packed = packed
            machine.limit = 300
            try checkCycles(200, machine)
        }

        @Test("A guest with packed rings and writeback is killed in the middle of writes")
        func killed() throws {
            var machine = GuestMachine()
            machine.packed = true
            try checkKilledGuest(machine, options: ["--cache", "always", "--writeback"])
        }

        @Test("A newer kernel uses several request queues, and each is served", arguments: [false, true])
        func severalQueues(packed: Bool) throws {
            let serve = try ServeProcess("--queues", "4")
            var machine = GuestMachine()
            machine.kernel = GuestKernel.newer
            machine.packed = packed
            machine.queues = 4
            machine.processors = 4
            let guest = try Guest(
                serve, machine,
                script: """
                    for processor in 0 1 2 3; do
                      taskset -c $processor dd if=/dev/urandom of=f$processor bs=16k count=64 conv=fsync 2> /dev/null || exit 1
                    done
                    sha256sum f* > sums
                    grep requests /proc/interrupts | awk '{
                      for (i = 2; i <= NF - 3; i++) n[$NF] += $i
                    } END { for (name in n) print "interrupts", name, n[name], "." }'
                    echo; echo ready
                    until [ -e go ]; do sleep 0.1; done
                    """)
            try #require(guest.says("ready"), "\(guest.console)")
            for queue in 1...4 { #expect(serve.runTime(ofThreads: "request-\(queue)") > 1_000_000, "queue \(queue)") }
            try serve.folder.add("go")
            let outcome = guest.finish()
            #expect(outcome.status == 0, "\(outcome.console) \(serve.log)")
            #expect(outcome.accepted(ringPacked) == packed)
            for queue in 0..<4 {
                let count = Guest.word(after: "-requests.\(queue) ", in: outcome.console).flatMap { Int($0) } ?? 0
                #expect(count > 10, "queue \(queue): \(outcome.console)")
            }
            #expect(try HostSide(serve).shell("sha256sum f*") == HostSide(serve).text("sums"))
        }
    }
}
