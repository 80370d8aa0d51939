import ArgumentParser
import HostDirectory

/// Users, groups and attribute names that differ between guest and host; named as virtiofsd names them.
struct TranslationOptions: ParsableArguments {
    @Option(
        help: """
            What users of the guest are on the host, as 'map:GUEST:HOST:COUNT' for both directions, or one of guest, host, \
            squash-guest, squash-host and forbid-guest. Can be repeated.
            """)
    var translateUid: [String] = []
    @Option(help: "The same for groups.")
    var translateGid: [String] = []
    @Option(help: "Rules for names of extended attributes, for example ':map::user.virtiofs.:'.")
    var xattrmap: String?

    func validate() throws {
        var options = HostDirectoryOptions()
        try apply(to: &options)
    }

    func apply(to options: inout HostDirectoryOptions) throws {
        if !translateUid.isEmpty { options.users = try read("--translate-uid") { try IDTranslation(translateUid) } }
        if !translateGid.isEmpty { options.groups = try read("--translate-gid") { try IDTranslation(translateGid) } }
        if let xattrmap { options.attributeRules = try read("--xattrmap") { try AttributeRules(xattrmap) } }
    }

    private func read<Value>(_ option: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch { throw ValidationError("\(option): \(error)") }
    }
}
