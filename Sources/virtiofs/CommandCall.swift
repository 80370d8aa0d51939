import ArgumentParser

/// How the command was called: as `virtiofs SUBCOMMAND …`, or as mount(8) calls the program of a file system's type.
///
/// For the type `fuse.virtiofs`, mount(8) starts `/sbin/mount.fuse.virtiofs SOURCE MOUNTPOINT [-sfnv] [-o OPTIONS]` if
/// that is there, and mount.fuse3(8) if not, which starts `virtiofs SOURCE MOUNTPOINT -o OPTIONS`. SOURCE is the tag of a
/// device; which folder the device serves is said by `-o share=DIR`.
///
/// Under a name that starts with `virtiofsd` it is `virtiofs serve`: libvirt starts the program that a vhost-user.json
/// file names, and knows no subcommands.
struct CommandCall: Equatable {
    /// What the parser of subcommands is to see.
    let arguments: [String]
    /// Whether mount(8) called. For it, a mistake is a mount that failed.
    let isMountHelper: Bool

    /// - Parameter words: all of the command line, the program's name first.
    init(_ words: [String]) throws {
        let name = words.first?.split(separator: "/").last ?? ""
        let rest = Array(words.dropFirst())
        isMountHelper = name.hasPrefix("mount.") || !name.hasPrefix("virtiofsd") && Self.namesSourceAndPlace(rest)
        if isMountHelper {
            arguments = try MountHelperCall(rest, isDirect: name.hasPrefix("mount.")).arguments
        } else {
            arguments =
                switch rest.first {
                case "mount": try Self.withSettingsOutside(rest)
                case _ where name.hasPrefix("virtiofsd"): try ["serve"] + LegacyServeOptions.expand(rest)
                case "serve": try ["serve"] + LegacyServeOptions.expand(Array(rest.dropFirst()))
                default: rest
                }
        }
    }

    private static func namesSourceAndPlace(_ words: [String]) -> Bool {
        guard words.count > 1, !words[0].hasPrefix("-"), !words[1].hasPrefix("-") else { return false }
        let subcommands = VirtioFS.configuration.subcommands.map { $0._commandName }
        return !(subcommands + ["help"]).contains(words[0])
    }

    /// Options of the command that stand in a list of `-o`, as options of their own.
    private static func withSettingsOutside(_ words: [String]) throws -> [String] {
        var result: [String] = []
        var rest = words[...]
        while let word = rest.popFirst() {
            guard word == "-o", let list = rest.popFirst() else {
                result.append(word)
                continue
            }
            result += try MountOption.arguments(MountOption.list(list))
        }
        return result
    }
}

extension MountOption {
    /// Settings without a value.
    private static let switches: Set<String> = ["writeback", "readonly", "no-remote-lock"]

    /// A list as arguments of `virtiofs mount`: its settings, and the rest behind one `-o`.
    static func arguments(_ options: [MountOption]) throws -> [String] {
        var settings: [String] = []
        var others: [String] = []
        for option in options {
            if case .setting(let name) = option.meaning {
                // A setting without its value would take the next argument for it.
                guard option.value != nil || switches.contains(name) else {
                    throw Failure("mount option '\(option.name)' takes a value: '\(option.name)=…'")
                }
                settings.append(option.bareValue.map { "--\(name)=\($0)" } ?? "--\(name)")
            } else {
                others.append(option.escaped)
            }
        }
        return settings + (others.isEmpty ? [] : ["-o", others.joined(separator: ",")])
    }
}
