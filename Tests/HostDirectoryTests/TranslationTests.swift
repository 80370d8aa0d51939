import CKernel
import FUSEWire
import SystemPackage
import Testing

@testable import HostDirectory

/// Users and groups that differ between client and host.
@Suite struct TranslationTests {
    /// Rules, and what they make of an id; nothing where it is forbidden.
    struct Case: Sendable {
        let rules: [String]
        let client: UInt32
        let host: UInt32?
        init(_ rules: String..., client: UInt32, host: UInt32?) {
            self.rules = rules
            self.client = client
            self.host = host
        }
    }

    static let toHost = [
        Case(client: 7, host: 7),
        Case("guest:0:1000:10", client: 0, host: 1000), Case("guest:0:1000:10", client: 9, host: 1009),
        Case("guest:0:1000:10", client: 10, host: 10), Case("guest:5:100:1", client: 4, host: 4),
        Case("map:0:100000:65536", client: 65535, host: 165_535), Case("map:5:3:2", client: 6, host: 4),
        Case("squash-guest:0:1001:4294967295", client: 4_294_967_294, host: 1001),
        Case("forbid-guest:0:1", client: 0, host: nil), Case("forbid-guest:0:1", client: 1, host: 1),
        Case("host:1000:0:1", client: 0, host: 0), Case("squash-host:0:7:9", client: 3, host: 3),
        Case("guest:0:10:1", "forbid-guest:1:5", "squash-guest:6:1:9", client: 8, host: 1),
        Case("guest:0:10:1", "forbid-guest:1:5", "squash-guest:6:1:9", client: 5, host: nil),
    ]

    @Test("What the client's ids are on the host", arguments: toHost)
    func clientToHost(_ example: Case) throws {
        let translation = try IDTranslation(example.rules)
        guard let host = example.host else {
            #expect(errorOf { try translation.hostID(example.client) } == .notPermitted)
            return
        }
        #expect(try translation.hostID(example.client) == host)
    }

    static let toClient = [
        Case(client: 7, host: 7), Case("host:1000:0:10", client: 9, host: 1009),
        Case("host:1000:0:10", client: 1010, host: 1010), Case("map:0:100000:65536", client: 65535, host: 165_535),
        Case("squash-host:0:65534:1000", client: 65534, host: 999), Case("guest:0:1000:1", client: 1000, host: 1000),
        Case("forbid-guest:0:9", client: 5, host: 5),
    ]

    @Test("What the host's ids are for the client", arguments: toClient)
    func hostToClient(_ example: Case) throws {
        #expect(try IDTranslation(example.rules).clientID(example.host!) == example.client)
    }

    @Test(
        "A rule that can't be read is told in one line",
        arguments: [
            ["", "'': a kind and 3 numbers, with colons between them, are wanted"],
            ["map:1:2", "'map:1:2': a kind and 3 numbers, with colons between them, are wanted"],
            ["map:1:2:x", "'map:1:2:x': a kind and 3 numbers, with colons between them, are wanted"],
            ["map:1:2:-3", "'map:1:2:-3': a kind and 3 numbers, with colons between them, are wanted"],
            ["forbid-guest:1:2:3", "'forbid-guest:1:2:3': a kind and 2 numbers, with colons between them, are wanted"],
            ["forbid-host:1:2:3", "'forbid-host:1:2:3': there is no kind 'forbid-host'"],
            ["guest:0:0:0", "'guest:0:0:0': there are no such ids"],
            ["guest:0:4294967295:1", "'guest:0:4294967295:1': there are no such ids"],
            ["guest:2:0:4294967295", "'guest:2:0:4294967295': there are no such ids"],
        ])
    func mistakes(_ example: [String]) {
        #expect(throws: RuleError(example[1])) { try IDTranslation([example[0]]) }
    }

    @Test("Rules of one direction must not overlap")
    func overlap() throws {
        #expect(throws: RuleError("'forbid-guest:9:5' names ids that another rule names, too")) {
            try IDTranslation(["guest:0:100:10", "forbid-guest:9:5"])
        }
        _ = try IDTranslation(["guest:0:100:10", "host:0:100:10", "forbid-guest:10:5"])
    }

    @Test("What is made, given away and looked at has the ids of either side")
    func onAShare() throws {
        var options = HostDirectoryOptions()
        options.users = try IDTranslation(["map:0:100000:1000", "forbid-guest:5000:1"])
        options.groups = try IDTranslation(["squash-guest:0:200000:1000", "host:200000:7:1"])
        let share = try Share(options)
        let made = try share.fs.mkdir(
            .root, share.name("folder"), fuse_mkdir_in(mode: 0o755, umask: 0), share.request(uid: 12, gid: 34))
        #expect(made.attr.uid == 12 && made.attr.gid == 7)
        var status = CKernel.stat()
        #expect(lstat(share.path("folder"), &status) == 0 && status.st_uid == 100_012 && status.st_gid == 200_000)

        var change = fuse_setattr_in()
        change.valid = UInt32(FATTR_UID | FATTR_GID)
        (change.uid, change.gid) = (999, 1)
        let node = NodeID(rawValue: made.nodeid)
        let changed = try share.fs.setattr(node, change, share.request())
        #expect(changed.attr.uid == 999 && changed.attr.gid == 7)
        #expect(lstat(share.path("folder"), &status) == 0 && status.st_uid == 100_999)
        change.uid = 5000
        #expect(errorOf { try share.fs.setattr(node, change, share.request()) } == .notPermitted)
        let refused = errorOf {
            try share.fs.symlink(.root, share.name("link"), target: share.name("x"), share.request(uid: 5000))
        }
        #expect(refused == .notPermitted)
    }
}
