/// The options of virtiofsd's first version, which libvirt still uses: `-o source=DIR,cache=none,xattr`, `-f` and `-d`.
enum LegacyServeOptions {
    /// The arguments of `serve` with what came so as options of today.
    static func expand(_ arguments: [String]) throws -> [String] {
        var result: [String] = []
        var rest = arguments[...]
        while let word = rest.popFirst() {
            switch word {
            case "-o":
                guard let list = rest.popFirst() else { throw Failure("-o takes a list of options") }
                result += try expandList(list)
            case "-d": result += ["--log-level", "debug"]
            case "-f": continue
            default: result += word.hasPrefix("-o") ? try expandList(String(word.dropFirst(2))) : [word]
            }
        }
        return result
    }

    private static func expandList(_ list: String) throws -> [String] {
        try split(list).flatMap(option)
    }

    /// At commas; two of them are one that belongs to a value, as QEMU and libvirt write it.
    private static func split(_ list: String) -> [String] {
        list.replacingCommaPairs().split(separator: ",").map { String($0).replacing(placeholder, with: ",") }
    }

    private static func option(_ option: String) throws -> [String] {
        let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2 { return try setting(parts[0], parts[1]) }
        if let words = flags[option] { return words }
        throw Failure("-o \(option) is not supported")
    }

    private static func setting(_ name: String, _ value: String) throws -> [String] {
        switch name {
        case "source": ["--shared-dir", value]
        case "cache": ["--cache", value == "none" ? "never" : value]
        case "log_level": ["--log-level", value == "err" ? "error" : value]
        case "sandbox", "modcaps", "xattrmap", "seccomp", "inode_file_handles":
            ["--\(name.replacing("_", with: "-"))=\(value)"]
        default: throw Failure("-o \(name)= is not supported")
        }
    }

    private static let flags: [String: [String]] = [
        "xattr": ["--xattr"], "no_xattr": ["--no-xattr"],
        "posix_acl": ["--posix-acl"], "no_posix_acl": ["--no-posix-acl"],
        "writeback": ["--writeback"], "no_writeback": [],
        "allow_direct_io": ["--allow-direct-io"], "no_allow_direct_io": [],
        "readdirplus": ["--readdirplus"], "no_readdirplus": ["--no-readdirplus"],
        "killpriv_v2": ["--killpriv-v2"], "no_killpriv_v2": ["--no-killpriv-v2"],
        "announce_submounts": ["--announce-submounts"], "no_announce_submounts": ["--no-announce-submounts"],
        "security_label": ["--security-label"], "no_security_label": [],
        // Both kinds are served together.
        "flock": ["--locks"], "posix_lock": ["--locks"], "no_flock": ["--no-locks"], "no_posix_lock": ["--no-locks"],
        "debug": ["--log-level", "debug"],
    ]
}

/// Stands for a comma that is part of a value.
private let placeholder = "\u{0}"

extension String {
    fileprivate func replacingCommaPairs() -> String { replacing(",,", with: placeholder) }
}
