import Glibc
import Synchronization

/// How many files are known by each name alone, by the names' hashes: so none says that surely no file is, and any other
/// number that one may be.
final class NameCounts: @unchecked Sendable {
    private static let bits: UInt64 = 16

    private let counts: UnsafeMutablePointer<Atomic<UInt32>>

    init() {
        let capacity = 1 << Int(Self.bits)
        // Fresh zeros cost nothing until they are touched, and are what Atomic(0) is.
        let memory = calloc(capacity, MemoryLayout<Atomic<UInt32>>.stride)!
        counts = memory.bindMemory(to: Atomic<UInt32>.self, capacity: capacity)
    }

    deinit { free(counts) }

    private func place(_ name: EntryName) -> UnsafeMutablePointer<Atomic<UInt32>> {
        counts + Int(name.hash >> (64 - Self.bits))
    }

    func add(_ name: EntryName) { place(name).pointee.wrappingAdd(1, ordering: .relaxed) }
    func remove(_ name: EntryName) { place(name).pointee.wrappingSubtract(1, ordering: .relaxed) }
    func mayContain(_ name: EntryName) -> Bool { place(name).pointee.load(ordering: .relaxed) != 0 }
}
