import CKernel
import FUSEWire
import Synchronization

/// How many lookups the driver holds: every entry that it was given counts one, every FORGET takes some back. At the end
/// of a session it agrees with the device's own count.
public final class NodeLedger: Sendable {
    private let held = Atomic<UInt64>(0)

    private let sessions = Atomic<UInt64>(0)

    public var heldLookups: UInt64 { held.load(ordering: .relaxed) }

    /// Changes when the device was reset, and so knows none of the nodes that it knew.
    var session: UInt64 { sessions.load(ordering: .acquiring) }

    func forget(_ count: UInt64) { held.wrappingSubtract(count, ordering: .relaxed) }

    func clear() {
        held.store(0, ordering: .relaxed)
        sessions.wrappingAdd(1, ordering: .releasing)
    }

    /// Counts what a successful reply gives.
    func count(_ opcode: Opcode, payload: UnsafeRawBufferPointer) {
        switch opcode {
        case .lookup, .symlink, .mknod, .mkdir, .link, .create, .tmpfile:
            if node(at: 0, of: payload) != 0 { held.wrappingAdd(1, ordering: .relaxed) }
        case .readdirplus:
            held.wrappingAdd(UInt64(countEntries(payload)), ordering: .relaxed)
        default: break
        }
    }

    /// Entries of a READDIRPLUS reply that give a node. A length that leads out of the payload ends the count.
    private func countEntries(_ payload: UnsafeRawBufferPointer) -> Int {
        var count = 0
        var offset = 0
        let entrySize = MemoryLayout<fuse_entry_out>.size
        while offset + DirectoryEntryWriter.size(nameCount: 0, plus: true) <= payload.count {
            let nameCount = payload.loadUnaligned(fromByteOffset: offset + entrySize + 16, as: UInt32.self)
            if node(at: offset, of: payload) != 0 { count += 1 }
            guard nameCount <= 4096 else { break }
            offset += DirectoryEntryWriter.size(nameCount: Int(nameCount), plus: true)
        }
        return count
    }

    private func node(at offset: Int, of payload: UnsafeRawBufferPointer) -> UInt64 {
        guard payload.count >= offset + 8 else { return 0 }
        return payload.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }
}
