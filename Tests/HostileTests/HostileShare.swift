import CKernel
import Foundation
import HostDirectory
import Syscalls
import SystemPackage
import VirtioTestSupport

/// A folder that is served, beside and below things that must never change.
final class HostileShare {
    private let folder: TemporaryFolder
    /// What it lies on; goes last.
    private let memory: MemoryFolder
    /// What is served.
    var path: FilePath { folder.path.appending("share") }
    private let before: [String: String]

    init() throws {
        memory = try MemoryFolder(size: "64m")
        folder = TemporaryFolder(in: memory.path)
        for name in ["share", "share/folder", "share/folder/inner", "beside", "beside/folder"] {
            try folder.addFolder(name)
        }
        for name in ["above", "beside/secret", "beside/folder/secret", "share/file", "share/folder/file"] {
            try folder.add(name, Array(repeating: UInt8(name.utf8.count), count: 5000))
        }
        let share = try FileDescriptor.open(folder.path.appending("share"), .readOnly)
        defer { try? share.close() }
        for (name, target) in [
            ("out", "../beside"), ("secret", "../beside/secret"), ("absolute", folder.path.appending("above").string),
            ("loop", "loop"), ("parent", ".."),
        ] { try share.makeSymbolicLinkAt(name, target: target) }
        try share.makeNodeAt("fifo", mode: S_IFIFO | 0o600, device: 0)
        before = Self.canaries(folder.path.string)
    }

    /// What has changed outside the share, from content to time of modification.
    func changesOutside() -> [String] {
        let after = Self.canaries(folder.path.string)
        return Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }.sorted()
    }

    /// Descriptors of this process that are on the share's file system, which nobody else uses.
    var openDescriptorCount: Int { get throws { try memory.openDescriptorCount } }

    /// Everything but the share: path to type, mode, owner, links, size, times and content.
    private static func canaries(_ root: String) -> [String: String] {
        var found = [root: describe(root)]
        for name in ["above", "beside", "beside/secret", "beside/folder", "beside/folder/secret"] {
            found[name] = describe(root + "/" + name)
        }
        for folder in ["", "/beside", "/beside/folder"] {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: root + folder)) ?? []
            found["names in \(folder)"] = names.sorted().joined(separator: ",")
        }
        return found
    }

    private static func describe(_ path: String) -> String {
        var status = statx()
        guard statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, UInt32(STATX_BASIC_STATS), &status) == 0 else { return "gone" }
        let times = [status.stx_mtime, status.stx_ctime].map { "\($0.tv_sec).\($0.tv_nsec)" }
        let isFile = status.stx_mode & 0o170000 == 0o100000
        let content = isFile ? FileManager.default.contents(atPath: path) : nil
        return "\(status.stx_mode) \(status.stx_uid) \(status.stx_gid) \(status.stx_nlink) \(status.stx_size) \(times) "
            + (content.map { "\($0.count) \($0.hashValue)" } ?? "")
    }
}
