import Glibc
import ProcessSupport
import Testing

/// A device that may have few descriptors.
@Suite struct ServeLimitTests {
    /// Serves what `make` makes 300 of to a mount that looks at them all, with a limit of 256 descriptors.
    private func outcome(_ make: String, _ options: String = "") throws -> Outcome {
        try inNamespace(
            """
            (cd share && seq 300 | xargs \(make))
            virtiofs serve share --socket-path socket --rlimit-nofile 256 \(options) > /dev/null &
            until [ -e socket ]; do sleep 0.1; done
            virtiofs attach --socket-path socket m > /dev/null
            stat -c %n m/* > found 2> failed || true
            echo "$([ $(cat found | wc -l) -gt 150 ] && echo most) $(ls m | wc -l) $(grep -vc ': Too many open files in system$' failed)"
            if [ $(cat found | wc -l) = 300 ]; then echo all; fi
            umount m
            virtiofs attach --socket-path socket m > /dev/null
            echo content > m/new && cat share/new
            umount m
            """)
    }

    @Test("At the limit, what is too much fails as such, the log says once what helps, and the device goes on")
    func limit() throws {
        let outcome = try outcome("mkdir")
        #expect(outcome.status == 0 && outcome.output == "most 300 0\ncontent\n", "\(outcome)")
        let message = "no descriptors are left, and requests fail with ENFILE: raise the limit, or let unused files be "
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome)")
        #expect(outcome.errors.contains(message) && outcome.errors.contains("limit=256"), "\(outcome)")
    }

    @Test("With file handles, the same limit is no limit for what nobody has open")
    func handles() throws {
        let outcome = try outcome("mkdir", "--inode-file-handles=prefer")
        #expect(outcome.status == 0 && outcome.errors == "", "\(outcome)")
        #expect(outcome.output == "most 300 0\nall\ncontent\n")
    }

    @Test("Without them, it is none for files that nobody has used")
    func unused() throws {
        let outcome = try outcome("touch")
        #expect(outcome.status == 0 && outcome.errors == "", "\(outcome)")
        #expect(outcome.output == "most 300 0\nall\ncontent\n")
    }

    @Test("A limit that the process may not have is refused in one line, which says who may", arguments: [true, false])
    func refused(isRoot: Bool) throws {
        let outcome = try inNamespace(
            """
            ulimit -n 1000
            \(isRoot ? "" : "as_user ")virtiofs serve share --socket-path share/socket --rlimit-nofile \
            \(isRoot ? "9999999999" : "1001") || echo $?
            ls share
            """)
        #expect(outcome.output == "1\n", "\(outcome)")
        #expect(
            outcome.errors == """
                virtiofs: can't set the limit of open files to \(isRoot ? "9999999999" : "1001"): it is 1000, and only root \
                may raise it, up to /proc/sys/fs/nr_open

                """)
    }
}
