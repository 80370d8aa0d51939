import CKernel
import FUSEWire
import SystemPackage
import Testing

@testable import HostDirectory

/// Names of extended attributes that differ between client and host.
@Suite struct AttributeRuleTests {
    /// Rules, a client's name and what the host calls it, or the error.
    struct Case: Sendable {
        let rules: String
        let client: String
        let host: String?
        var error = Errno.notPermitted
    }

    static let everything = ":prefix:all::user.virtiofs.: :bad:all:::"
    static let trusted =
        "/prefix/all/trusted./user.virtiofs./ /bad/server//trusted./\n\t/bad/client/user.virtiofs.//\n/ok/all///"

    static let toHost = [
        Case(rules: everything, client: "security.selinux", host: "user.virtiofs.security.selinux"),
        Case(rules: everything, client: "user.virtiofs.x", host: "user.virtiofs.user.virtiofs.x"),
        Case(rules: ":map::user.virtiofs.:", client: "trusted.x", host: "user.virtiofs.trusted.x"),
        Case(rules: trusted, client: "trusted.x", host: "user.virtiofs.trusted.x"),
        Case(rules: trusted, client: "user.virtiofs.trusted.x", host: nil),
        Case(rules: trusted, client: "user.x", host: "user.x"),
        Case(rules: ":map:trusted.:user.virtiofs.:", client: "trusted.x", host: "user.virtiofs.trusted.x"),
        Case(rules: ":map:trusted.:user.virtiofs.:", client: "user.virtiofs.x", host: nil),
        Case(rules: ":map:trusted.:user.virtiofs.:", client: "user.x", host: "user.x"),
        Case(
            rules: ":unsupported:client:security.:: :ok:all:::", client: "security.x", host: nil, error: .notSupported),
        Case(rules: ":unsupported:server::security.: :ok:all:::", client: "security.x", host: "security.x"),
        Case(rules: ":bad:client:user.a:::ok:client:user.::", client: "user.abc", host: nil),
        Case(rules: ":bad:client:user.a:::ok:client:user.::", client: "user.b", host: "user.b"),
        Case(rules: ":ok:client:user.::", client: "trusted.b", host: nil),
        Case(rules: ":ok:server::user.:", client: "user.b", host: nil),
    ]

    @Test("What the host calls a client's attribute", arguments: toHost)
    func clientToHost(_ example: Case) throws {
        let rules = try AttributeRules(example.rules)
        let outcome = Result { () throws(Errno) in
            try rules.withHostName(example.client) { String(cString: $0) }
        }
        #expect(outcome == (example.host.map { .success($0) } ?? .failure(example.error)))
    }

    static let toClient = [
        Case(rules: everything, client: "security.selinux", host: "user.virtiofs.security.selinux"),
        Case(rules: everything, client: "", host: "user.x"),
        Case(rules: ":map::user.virtiofs.:", client: "", host: "security.selinux"),
        Case(rules: trusted, client: "trusted.x", host: "user.virtiofs.trusted.x"),
        Case(rules: trusted, client: "", host: "trusted.x"), Case(rules: trusted, client: "user.x", host: "user.x"),
        Case(rules: ":map:trusted.:user.virtiofs.:", client: "", host: "trusted.x"),
        Case(rules: ":unsupported:all::security.: :ok:all:::", client: "", host: "security.x"),
        Case(rules: ":ok:client:::", client: "", host: "user.x"),
    ]

    @Test("What the client sees of the host's attributes; an empty name is not seen", arguments: toClient)
    func hostToClient(_ example: Case) throws {
        let names = try AttributeRules(example.rules).clientNames(Array(example.host!.utf8) + [0])
        #expect(names == (example.client.isEmpty ? [] : Array(example.client.utf8) + [0]))
    }

    @Test(
        "A rule that can't be read is told in one line, with its number",
        arguments: [
            ["", "there is no rule"], ["  \n", "there is no rule"],
            [":ok:all:: ", "rule 1: there is a ':' missing behind its last field"],
            [":ok:all::: :bad", "rule 2: there is a ':' missing behind its last field"],
            [":good:all:::", "rule 1: there is no type 'good'; prefix, ok, bad, unsupported and map are"],
            [":ok:both:::", "rule 1: there is no scope 'both'; client, server and all are"],
            [":map::x: :ok:all:::", "rule 1: 'map' has to be the last one"],
            [":map::x", "rule 1: there is a ':' missing behind its last field"],
        ])
    func mistakes(_ example: [String]) {
        #expect(throws: RuleError(example[1])) { try AttributeRules(example[0]) }
    }

    @Test("Attributes of the client's are kept under other names on the host, and what it may not see is not there")
    func onAShare() throws {
        var options = HostDirectoryOptions()
        options.attributeRules = try AttributeRules(":map:security.:user.virtiofs.:")
        let share = try Share(options)
        Share.write("", to: share.path("file"))
        let node = try share.node("file")
        lsetxattr(share.path("file"), "user.mine", "1", 1, 0)
        try set(share, node, "security.capability")
        #expect(lgetxattr(share.path("file"), "user.virtiofs.security.capability", nil, 0) == 5)
        #expect(try list(share, node) == ["user.mine", "security.capability"])
        #expect(errorOf { try set(share, node, "user.virtiofs.x") } == .notPermitted)

        // A file that changes has no capabilities any more, whatever they are called.
        let handle = try share.open(node, O_WRONLY)
        _ = try share.write("x", node, handle, at: 0)
        #expect(try list(share, node) == ["user.mine"])
    }

    private func set(_ share: Share, _ node: NodeID, _ name: String) throws {
        try Array("value".utf8).withUnsafeBytes { bytes in
            try share.fs.setxattr(node, share.name(name), bytes, flags: 0, killsSetGID: false, share.request())
        }
    }

    private func list(_ share: Share, _ node: NodeID) throws(Errno) -> Set<String> {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
        defer { buffer.deallocate() }
        let count = try share.fs.listxattr(node, into: buffer, share.request())
        let size = try share.fs.listxattr(
            node, into: UnsafeMutableRawBufferPointer(start: nil, count: 0), share.request())
        #expect(size == count)
        return Set(String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\0").map(String.init))
    }
}
