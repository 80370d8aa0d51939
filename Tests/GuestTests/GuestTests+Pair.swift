import Foundation
import ProcessSupport
import ServeSupport
import SystemPackage
import Testing
import VirtioTestSupport

extension GuestTests {
    /// Two guests on one folder at once, each with a device of its own, as a device has one driver.
    @Suite(.enabled(if: runsInFull)) struct PairTests {
        private let folder: TemporaryFolder
        private let serves: [ServeProcess]
        private let tools = TemporaryFolder()

        init() throws {
            let folder = TemporaryFolder()
            self.folder = folder
            serves = try (0..<2).map { _ in try ServeProcess(over: folder, "--cache", "never") }
            try succeed("clang", "-static", "-O1", "-o", locker, Guest.resource("locker.c"))
        }

        private var locker: String { tools.path.appending("locker").string }

        /// Boots a guest in which `ME` is its number and `meet NAME` waits for the other guest to get there too.
        private func boot(_ number: Int, _ script: String) throws -> Guest {
            var machine = GuestMachine()
            machine.files = [locker]
            machine.processors = 1
            machine.limit = 180
            let meet = "meet() { touch met.$1.$ME; until [ -e met.$1.$((1 - ME)) ]; do sleep 0.1; done; }"
            return try Guest(serves[number], machine, script: "ME=\(number)\n\(meet)\n\(script)")
        }

        private func expectSuccess(_ guests: [Guest]) {
            for guest in guests {
                let outcome = guest.finish()
                #expect(outcome.status == 0, "\(outcome.console)")
            }
            for serve in serves { #expect(serve.log == "") }
        }

        @Test("Two guests see each other's files; one of them makes each name; appended lines stay whole")
        func files() throws {
            let script = """
                meet start
                i=0; while [ $i -lt 200 ]; do
                  (set -C; echo "guest $ME" > claim$i) 2> /dev/null && won="$won $i"
                  echo "line $i of guest $ME" >> lines
                  i=$((i + 1))
                done
                echo $won > won.$ME
                meet claimed
                for i in $won; do [ "$(cat claim$i)" = "guest $ME" ] || exit 1; done
                [ $(cat won.0 won.1 | wc -w) = 200 ] || exit 2
                [ $(sort lines | uniq | wc -l) = 400 ] || exit 3
                [ $ME = 1 ] || { echo kept > open; exec 3< open; }
                meet opened
                [ $ME = 0 ] || { rm open; mkdir folder; mv claim0 folder/moved; }
                meet removed
                [ $ME = 1 ] || [ "$(cat <&3)" = kept ] || exit 4
                [ -e folder/moved ] && [ ! -e claim0 ] && [ ! -e open ] || exit 5
                """
            expectSuccess([try boot(0, script), try boot(1, script)])
            #expect(try HostSide(folder).shell("grep -c 'line .* of guest' lines") == "400\n")
        }

        @Test(
            "Locks of either kind hold between two guests, block, and go with the guest that is killed",
            arguments: ["posix", "flock"])
        func locks(kind: String) throws {
            let holder = try boot(
                0,
                """
                /locker \(kind) write try 0 10 file sh -c 'touch held; until [ -e tried ]; do sleep 0.1; done'
                until [ -e waited ]; do sleep 0.1; done
                /locker \(kind) read try 0 10 file sh -c 'touch shared; until [ -e asked ]; do sleep 0.1; done'
                until [ -e over ]; do sleep 0.1; done
                /locker \(kind) write wait 0 10 file sh -c 'touch kept; while :; do sleep 1; done'
                """)
            let other = try boot(
                1,
                """
                try() { /locker \(kind) $1 $2 $3 10 file ${4:-true}; echo "$1 $2 $3: $?"; }
                until [ -e held ]; do sleep 0.1; done
                { try write try 0; try read try 5; [ \(kind) = flock ] || try write try 10; } > said
                touch tried
                try write wait 0 >> said
                touch waited
                until [ -e shared ]; do sleep 0.1; done
                { try read try 0; try write try 0; } >> said
                touch asked
                try write wait 0 >> said
                touch over
                until [ -e kept ]; do sleep 0.1; done
                echo; echo waiting
                try write wait 0 >> said
                """)
            try #require(other.says("waiting"), "\(try? HostSide(folder).shell("ls && cat said"))")
            holder.kill()
            expectSuccess([other])
            let expected = """
                write try 0: 75
                read try 5: 75
                \(kind == "flock" ? "" : "write try 10: 0\n")write wait 0: 0
                read try 0: 0
                write try 0: 75
                write wait 0: 0
                write wait 0: 0

                """
            #expect(try HostSide(folder).text("said") == expected)
        }
    }
}
