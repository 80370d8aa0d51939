import CKernel
import FUSEWire
import Glibc
import HostDirectory
import SystemPackage
import Testing

/// A share without handles in a process with few descriptors, of which folders that are known have all that inodes can have.
/// Each file of it has its name as content, each link leads to five bytes.
final class FullShare: Sendable {
    /// Three quarters of the limit are shared out, and of those inodes have seven eighths.
    static let limit = 256
    static let held = 168
    static let leftForFiles = 24
    /// How many files that lose their names can be held nevertheless.
    static let leftForNameless = 12

    let share: Share
    let folders: [NodeID]
    var fs: HostDirectory { share.fs }

    static func setLimit() {
        var limits = rlimit(rlim_cur: rlim_t(limit), rlim_max: rlim_t(limit))
        #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0)
    }

    init(files: [String], links: [String] = []) throws {
        Self.setLimit()
        let share = try Share(HostDirectoryOptions(fileHandles: false))
        for name in files { Share.write(name, to: share.path(name)) }
        for name in links { CKernel.symlink("other", share.path(name)) }
        for index in 0..<Self.limit { CKernel.mkdir(share.path("folder \(index)"), 0o755) }
        Share.letFilesAge()
        var known: [NodeID] = []
        let refusal = errorOf { for index in 0..<Self.limit { known.append(try share.node("folder \(index)")) } }
        #expect(refusal == .tooManyOpenFilesInSystem && known.count == Self.held)
        (self.share, folders) = (share, known)
    }

    func node(_ name: String) throws -> NodeID { try share.node(name) }

    /// A node is the file that was written as `content`, opened anew.
    func expectUsable(_ node: NodeID, _ content: String) throws {
        let handle = try share.open(node, O_RDONLY)
        #expect(try share.read(node, handle) == content)
        try share.release(node, handle)
    }

    /// Nothing but the folders that were known from the start, and the root.
    func expectNothingHeld() {
        #expect(share.descriptorCount == Self.held + 1 && fs.openHandleCount == 0)
    }

    func rename(_ old: String, _ new: String, _ flags: Int32 = 0) throws {
        let (old, new) = (share.name(old), share.name(new))
        try fs.rename(.root, old, to: .root, new, flags: UInt32(flags), share.request())
    }
}
