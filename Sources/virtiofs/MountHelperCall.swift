import Syscalls

/// What mount(8) passes to a file system's program (mount(8), "External helpers").
struct MountHelperCall {
    private var places: [String] = []
    private var options: [MountOption] = []
    private var isVerbose = false
    private var isFake = false
    private var isForeground = false

    /// - Parameter isDirect: whether mount(8) itself called, and not mount.fuse3, which says `dev` and `suid` for root,
    ///   where nothing else is said, and keeps the other flags to itself.
    init(_ words: [String], isDirect: Bool) throws {
        if isDirect, ProcessIdentity.uid == 0 { options = MountOption.list("dev,suid") }
        var rest = words[...]
        while let word = rest.popFirst() { try take(word, &rest, isDirect: isDirect) }
        guard places.count == 2 else {
            throw Failure("mount(8) names two things, the tag of a device and a mount point: \(places)")
        }
    }

    private mutating func take(_ word: String, _ rest: inout ArraySlice<String>, isDirect: Bool) throws {
        switch word {
        case "-o": options += MountOption.list(rest.popFirst() ?? "")
        case "-t", "-N": _ = rest.popFirst()
        case "-r": options.append(MountOption("ro"))
        case "-w": options.append(MountOption("rw"))
        case "-s", "-n", "-i": break
        case "-v": isVerbose = true
        case "-f": if isDirect { isFake = true } else { isForeground = true }
        case _ where word.hasPrefix("-"): throw Failure("there is no option '\(word)' (see 'virtiofs --help')")
        default: places.append(word)
        }
    }

    /// The same for the parser of subcommands.
    var arguments: [String] {
        get throws {
            if options.contains(where: { $0.meaning == .remount }) {
                // What the device was set up with stays.
                let flags = options.filter { if case .flag = $0.meaning { true } else { $0.meaning == .remount } }
                return try ["remount", "--source", places[0]] + MountOption.arguments(flags) + [places[1]]
            }
            guard let share = options.last(where: { $0.meaning == .share })?.bareValue else {
                throw Failure("which folder does '\(places[0])' stand for? Mount it with '-o share=DIR'")
            }
            return try ["mount", "--source", places[0]] + tag + flags + MountOption.arguments(others)
                + [share, places[1]]
        }
    }

    private var others: [MountOption] { options.filter { $0.meaning != .share } }

    /// The device in this process carries the tag that is looked for, unless it was given another one.
    private var tag: [String] {
        options.contains { $0.meaning == .setting("tag") } ? [] : ["--tag", places[0]]
    }

    private var flags: [String] {
        (isVerbose ? [] : ["--quiet"]) + (isFake ? ["--fake"] : []) + (isForeground ? ["--foreground"] : [])
    }
}
