import Logging
import Synchronization
import Syscalls
import SystemPackage

/// How the process's descriptors are shared out: to inodes, to open files, and a reserve for what an operation needs for
/// a moment and for everything else in the process.
final class DescriptorBudget: Sendable {
    /// Descriptors that inodes and open files can have together.
    let total: Int
    /// Descriptors that inodes have without being evicted.
    let inodes: Int
    private let heldByInodes = Atomic<Int>(0)
    private let heldByFiles = Atomic<Int>(0)
    private let isReported = Atomic<Bool>(false)

    /// - Parameter inodes: half of what the process may have, if nothing else is wanted.
    init(inodes: Int?) {
        let limit = min(ResourceLimits.openFiles, Self.largestLimit)
        total = limit - min(512, limit / 4)
        self.inodes = inodes ?? limit / 2
        ResourceLimits.makeRoom(for: min(limit, Self.roomAtFirst))
    }

    /// Descriptors that need no growth of the kernel's table: 512 KiB of kernel memory.
    private static let roomAtFirst = 1 << 16

    /// More are never needed, and a limit can be as large as any number.
    static let largestLimit = 1 << 20

    var inodeCount: Int { heldByInodes.load(ordering: .relaxed) }
    var fileCount: Int { heldByFiles.load(ordering: .relaxed) }

    func add(inodes count: Int) { heldByInodes.wrappingAdd(count, ordering: .relaxed) }
    func add(files count: Int) { heldByFiles.wrappingAdd(count, ordering: .relaxed) }

    /// Whether nothing can have another descriptor.
    var isSpent: Bool { inodeCount + fileCount >= total }

    /// Whether inodes have all but what is left for files to be opened with.
    var isSpentOnInodes: Bool { inodeCount >= total - total / 8 }

    /// The same for inodes that lose their names, which nothing else would find again: half of what is left is for them.
    var isSpentOnNameless: Bool { inodeCount >= total - total / 16 }

    /// Says, once, that the client gets ENFILE, and what its user can do about it.
    func reportSpent(canEvict: Bool) {
        guard !isReported.exchange(true, ordering: .relaxed) else { return }
        let remedy = canEvict ? "raise the limit" : "raise the limit, or let unused files be held by file handles"
        Logger(label: "virtiofs.files").error(
            "no descriptors are left, and requests fail with ENFILE: \(remedy)",
            metadata: ["limit": "\(ResourceLimits.openFiles)"])
    }

    /// By how many the inodes have more than they should.
    var excess: Int { inodeCount - min(inodes, total - fileCount) }
}
