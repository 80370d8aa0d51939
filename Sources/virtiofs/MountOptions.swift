import Syscalls

/// The options of `-o`, made ready for libfuse.
struct MountOptions {
    /// As they follow `-o`, one each.
    let words: [String]

    /// Options that libfuse 3.14 refuses and that mean nothing here: access times are the share's own.
    private static let ignored: Set<String> = ["relatime", "norelatime", "strictatime", "nostrictatime", "lazytime"]

    init(_ given: [String], tag: String) {
        let given = given.flatMap { $0.split(separator: ",").map(String.init) }
        var words = given.filter { !Self.ignored.contains($0) }
        if !words.contains(where: { $0.hasPrefix("fsname=") }) {
            // A comma would end the option, a backslash escapes.
            words.append("fsname=" + tag.flatMap { "\\,".contains($0) ? ["\\", $0] : [$0] })
        }
        if !words.contains(where: { $0.hasPrefix("subtype=") }) { words.append("subtype=virtiofs") }
        // Permissions are the driver's business, as on Linux: the kernel checks them against the modes it sees.
        words.append("default_permissions")
        if ProcessIdentity.uid == 0 && !words.contains("allow_root") { words.append("allow_other") }
        self.words = words
    }
}
