import CKernel
import FUSEWire
import Syscalls

/// Keeps a reader on the processor of the thread whose requests it serves.
///
/// While a request is served, who made it sleeps, so the two never need two processors: but left to itself, the scheduler
/// gives each its own, and each hand-over wakes a sleeping processor, which takes longer than most requests. That holds
/// for small requests of one caller. Those of several, and large ones, which the kernel may read ahead while the caller
/// computes, are better served wherever there is room.
struct CallerFollower {
    /// How often a caller's processor is looked up, at most.
    private static let interval: UInt64 = 1_000_000
    /// Data in a request from which on it is large, and how many of those one after the other end the following.
    private static let largeRequest = 16 << 10
    private static let patience = 4

    private let lookup: CallerLookup
    private var processor: Int?
    private var nextLook: UInt64 = 0
    private var largeRequests = 0

    init(_ lookup: CallerLookup) { self.lookup = lookup }

    /// A request is about to be served.
    ///
    /// - Parameters:
    ///   - head: its first bytes.
    ///   - isAlone: whether no other reader serves requests.
    mutating func note(_ head: UnsafeRawBufferPointer, _ length: Int, isAlone: Bool) {
        guard isAlone else { return roam() }
        let header = head.loadUnaligned(as: fuse_in_header.self)
        // FORGET and the like are nobody's, and a RELEASE is nothing that anybody waits for.
        guard header.pid != 0, header.opcode != Opcode.release.rawValue else { return }
        guard !isLarge(header, head, length) else {
            largeRequests += 1
            return largeRequests >= Self.patience ? roam() : ()
        }
        largeRequests = 0
        follow(header.pid)
    }

    private func isLarge(_ header: fuse_in_header, _ head: UnsafeRawBufferPointer, _ length: Int) -> Bool {
        if length > Self.largeRequest { return true }
        guard header.opcode == Opcode.read.rawValue else { return false }
        return head.loadUnaligned(fromByteOffset: MemoryLayout<fuse_in_header>.size, as: fuse_read_in.self).size
            > UInt32(Self.largeRequest)
    }

    private mutating func follow(_ thread: UInt32) {
        let now = monotonicNanoseconds()
        if now >= nextLook {
            nextLook = now &+ Self.interval
            lookup.ask(thread)
        }
        guard let found = lookup.processor(of: thread), found != processor else { return }
        processor = Affinity.stay(on: found) ? found : nil
    }

    private mutating func roam() {
        guard processor != nil else { return }
        processor = nil
        Affinity.roam()
    }
}
