import CKernel
import Foundation
import Syscalls
import SystemPackage
import Testing

/// A tmpfs of its own that is mounted nowhere: it has a size, so that no request fills the host's disk (a FALLOCATE of
/// 73 GiB did), and it is gone with the process, however that ends.
final class MemoryFolder {
    private let root: OwnedDescriptor
    /// Its root, as long as this lives.
    var path: String { "/proc/self/fd/\(root.rawValue)" }

    /// - Parameter size: as tmpfs(5) takes it.
    init(size: String) throws {
        let context = try Self.owned(fsopen("tmpfs", UInt32(FSOPEN_CLOEXEC)))
        try #require(fsconfig(context.rawValue, FSCONFIG_SET_STRING.rawValue, "size", size, 0) == 0)
        try #require(fsconfig(context.rawValue, FSCONFIG_CMD_CREATE.rawValue, nil, nil, 0) == 0)
        root = try Self.owned(fsmount(context.rawValue, UInt32(FSMOUNT_CLOEXEC), 0))
    }

    /// How many of this process's descriptors are of files on it, its root not among them.
    var openDescriptorCount: Int {
        get throws {
            let device = try Self.device(of: root.rawValue)
            let numbers = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }
            return numbers.count { $0 != root.rawValue && (try? Self.device(of: $0)) == device }
        }
    }

    private static func owned(_ number: Int32) throws -> OwnedDescriptor {
        try #require(number >= 0, "needs CAP_SYS_ADMIN: \(Errno(rawValue: errno))")
        return OwnedDescriptor(owning: FileDescriptor(rawValue: number))
    }

    private static func device(of number: Int32) throws -> UInt64 {
        var status = statx()
        try FileDescriptor(rawValue: number).status(mask: UInt32(STATX_INO), into: &status)
        return UInt64(status.stx_dev_major) << 32 | UInt64(status.stx_dev_minor)
    }
}
