import CKernel
import Syscalls

/// The options of `-o`, made ready for libfuse and for mount(2).
struct MountOptions {
    /// As they follow `-o` of libfuse, one each.
    private(set) var words: [String] = []
    /// Flags of mount(2). A mount has no set-user-ID programs and no devices, unless it was asked for them.
    private(set) var flags = UInt(MS_NOSUID | MS_NODEV)
    /// Whether a mount that is there is to be changed.
    let isRemount: Bool

    /// - Parameter given: lists, with the settings of the command taken out (``CommandCall``).
    init(_ given: [String]) throws {
        let options = given.flatMap { MountOption.list($0) }
        isRemount = options.contains { $0.meaning == .remount }
        for option in options { try add(option) }
        guard !has("allow_root") || !has("allow_other") else {
            throw Failure("allow_root and allow_other exclude each other: choose one")
        }
    }

    private mutating func add(_ option: MountOption) throws {
        switch option.meaning {
        case .flag(let bits, let isSet):
            flags = isSet ? flags | bits : flags & ~bits
            words.append(option.text)
        case .handedOn: words.append(option.escaped)
        case .ignored, .remount, .setting: break
        case .share: throw Failure("'\(option.text)': the share is named before the mount point here")
        // On a remount, mount(8) repeats what the kernel says of the mount.
        case .refused(let reason): if !isRemount { throw Failure("mount option '\(option.name)' \(reason)") }
        case .unknown:
            throw Failure("there is no mount option '\(option.text)' ('virtiofs mount --help' tells of them)")
        }
    }

    private func has(_ name: String) -> Bool { words.contains { MountOption($0).name == name } }

    /// Whether the mount is to go with this process: ``AutoUnmount`` sees to it, and not libfuse.
    var needsAutoUnmount: Bool { has("auto_unmount") }

    /// With what every mount of a device has.
    ///
    /// - Parameter tag: the device's.
    func completed(tag: String) -> [String] {
        var words = words.filter { $0 != "auto_unmount" }
        if !has("fsname") { words.append(MountOption("fsname", tag).escaped) }
        if !has("subtype") { words.append("subtype=virtiofs") }
        // Permissions are the driver's business, as on Linux: the kernel checks them against the modes it sees.
        words.append("default_permissions")
        if ProcessIdentity.uid == 0, !has("allow_root"), !has("allow_other") { words.append("allow_other") }
        return words
    }
}
