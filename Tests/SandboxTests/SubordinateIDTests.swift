import ProcessSupport
import Testing

/// An ordinary user's subordinate ids (subuid(5)), as newuidmap(1) and newgidmap(1) give them to the device.
///
/// Debian package: uidmap.
@Suite struct SubordinateIDTests {
    /// The user serves as its own root, with 65,535 more users and groups beside it, if /etc/subuid has as many.
    private func inNamespaceServing(ids: Int, _ script: String) throws -> Outcome {
        try inNamespace(
            """
            echo nobody:100000:\(ids) > ids
            mount --bind ids /etc/subuid
            mount --bind ids /etc/subgid
            serve() {
              as_user virtiofs serve share --socket-path share/socket --uid-map :0:65534:1: --uid-map :1:100000:65535: \
                --gid-map :0:65534:1: --gid-map :1:100000:65535:
            }
            \(script)
            """)
    }

    @Test("Files get any owner in the user's range; on the host, they belong to the subordinate ids")
    func ranges() throws {
        let outcome = try inNamespaceServing(
            ids: 65535,
            """
            serve > /dev/null &
            until [ -e share/socket ]; do sleep 0.1; done
            virtiofs attach --socket-path share/socket m > /dev/null
            touch m/root
            touch m/given && chown 5:6 m/given
            chmod 777 m && setpriv --reuid=7 --regid=8 --clear-groups touch m/made
            chown 65536 m/given 2> /dev/null || echo outside the range
            chmod u+s m/made && stat -c %a m/made
            cd m && stat -c '%n %u:%g' given made root && cd ..
            umount m
            cd share && stat -c '%n %u:%g' given made root
            """)
        #expect(outcome.status == 0 && outcome.errors == "", "\(outcome)")
        #expect(
            outcome.output == """
                outside the range
                4644
                given 5:6
                made 7:8
                root 0:0
                given 100004:100005
                made 100006:100007
                root 65534:65534

                """)
    }

    @Test(
        "A range that is not the user's is refused, as is any without newuidmap, with a clear line; nothing is served")
    func refused() throws {
        let outcome = try inNamespaceServing(
            ids: 65534,
            """
            serve || echo $?
            mount --bind /dev/null $(command -v newuidmap)
            serve || echo $?
            ls share
            """)
        #expect(outcome.output == "1\n1\n")
        let lines = outcome.errors.split(separator: "\n")
        try #require(lines.count == 3, "\(outcome)")
        #expect(lines[0].hasPrefix("newuidmap: "))
        #expect(lines[1] == "virtiofs: can't map users and groups: are they in /etc/subuid and /etc/subgid?")
        #expect(
            lines[2]
                == "virtiofs: can't run newuidmap or newgidmap: Permission denied; they are in Debian's package uidmap")
    }
}
