import CKernel
import SystemPackage
import VirtioFSDriver

/// What the kernel's administrator may have forbidden beyond permissions (sysctl fs.protected_*; proc(5)).
public struct Protections: Sendable {
    /// Nobody links to a file that is not theirs and that they can't read and write.
    public var hardlinks = false
    /// In a sticky folder that all may write, only the links of oneself and of the folder's owner are followed.
    public var symlinks = false
    /// In such a folder, `O_CREAT` opens no regular file of others (1); nor where the group may write (2).
    public var regular = 0
    /// The same of FIFOs.
    public var fifos = 0

    public init() {}

    /// Those of the kernel that this process runs on.
    public static let ofThisMachine: Protections = {
        var found = Protections()
        found.hardlinks = level("protected_hardlinks") > 0
        found.symlinks = level("protected_symlinks") > 0
        found.regular = level("protected_regular")
        found.fifos = level("protected_fifos")
        return found
    }()

    private static func level(_ name: String) -> Int {
        do {
            let file = try FileDescriptor.open("/proc/sys/fs/\(name)", .readOnly)
            return try file.closeAfter {
                var digit = UInt8(ascii: "0")
                _ = try withUnsafeMutableBytes(of: &digit) { try file.read(into: $0) }
                return Int(digit) - Int(UInt8(ascii: "0"))
            }
        } catch {
            return 0
        }
    }
}

extension GuestProcess {
    /// fs/namei.c, may_follow_link.
    func mayFollow(_ link: Place, in folder: fuse_attr) -> Bool {
        guard protections.symlinks, isSticky(folder), folder.mode & 0o002 != 0 else { return true }
        return isOfCallerOrOwner(link.attributes, folder)
    }

    /// Whether `O_CREAT` may open what is there already (fs/namei.c, may_create_in_sticky).
    func mayOpenForCreation(_ entry: Place, in folder: fuse_attr) -> Bool {
        let level =
            switch Int32(bitPattern: entry.attributes.fileType) {
            case S_IFREG: protections.regular
            case S_IFIFO: protections.fifos
            default: 1
            }
        guard level > 0, isSticky(folder), !isOfCallerOrOwner(entry.attributes, folder) else { return true }
        return folder.mode & 0o002 == 0 && (level < 2 || folder.mode & 0o020 == 0)
    }

    private func isSticky(_ folder: fuse_attr) -> Bool { folder.mode & UInt32(S_ISVTX) != 0 }

    private func isOfCallerOrOwner(_ entry: fuse_attr, _ folder: fuse_attr) -> Bool {
        entry.uid == caller.uid || entry.uid == folder.uid
    }
}
