import Synchronization

/// Whether a record is in use, by how many, and for the how-manieth time: one word, so that one compare and exchange
/// tells a stale name from a good one and takes hold of the record in the same step.
///
/// Bits 63…32 are the generation, which a record's every use increments; bit 31 says that the record is alive, that is,
/// that its name may be used; bit 30 that it was used since somebody last looked; bit 29 that what it stands for was
/// evicted; bits 28…0 count the threads and open files that use it right now. A record that is not alive and that nobody
/// uses is nobody's, and only whoever took it there touches it.
struct PinWord: ~Copyable, Sendable {
    private static let alive: UInt64 = 1 << 31
    private static let used: UInt64 = 1 << 30
    private static let evicted: UInt64 = 1 << 29
    private static let pins: UInt64 = evicted - 1

    private let bits = Atomic<UInt64>(0)

    var generation: UInt32 { UInt32(truncatingIfNeeded: bits.load(ordering: .acquiring) >> 32) }

    /// Takes hold of the record, if it is alive in just this generation.
    ///
    /// - Parameter marking: whether this counts as a use; see ``takeUse()``.
    /// - Returns: nothing if it isn't, else whether it is evicted. If not, it stays so while it is held.
    @inline(__always)
    func pin(generation: UInt32, marking: Bool = true) -> Bool? {
        let wanted = UInt64(generation) << 1 | 1
        let mark = marking ? Self.used : 0
        var current = bits.load(ordering: .relaxed)
        while current >> 31 == wanted {
            let (exchanged, original) = bits.weakCompareExchange(
                expected: current, desired: (current &+ 1) | mark, successOrdering: .acquiring,
                failureOrdering: .relaxed)
            if exchanged { return current & Self.evicted != 0 }
            current = original
        }
        return nil
    }

    /// Lets go. True for the last one to do so on a record that is no longer alive: the record is then the caller's.
    @inline(__always)
    func unpin() -> Bool {
        bits.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue & (Self.alive | Self.pins) == 0
    }

    /// Ends the name's life; who uses the record goes on. The caller holds a pin. False when somebody else was first.
    func retire() -> Bool {
        bits.bitwiseAnd(~Self.alive, ordering: .acquiringAndReleasing).oldValue & Self.alive != 0
    }

    /// Makes a record alive that was the caller's alone, without pins.
    func publish(generation: UInt32, isEvicted: Bool = false) {
        bits.store(UInt64(generation) << 32 | Self.alive | (isEvicted ? Self.evicted : 0), ordering: .releasing)
    }

    // MARK: eviction

    var isEvicted: Bool { bits.load(ordering: .acquiring) & Self.evicted != 0 }

    /// Whether there is one pin, the caller's. It may be more the next moment.
    var isPinnedOnce: Bool { bits.load(ordering: .relaxed) & Self.pins == 1 }

    /// Whether the record was used since this was last asked.
    func takeUse() -> Bool {
        bits.bitwiseAnd(~Self.used, ordering: .relaxed).oldValue & Self.used != 0
    }

    /// Marks the record as evicted, if the caller's is the only pin, it is alive, and nobody has used it: who pins it from
    /// now on sees the mark.
    func evict() -> Bool {
        let current = bits.load(ordering: .relaxed)
        guard current & UInt64(UInt32.max) == Self.alive | 1 else { return false }
        return bits.compareExchange(
            expected: current, desired: current | Self.evicted, ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// Takes the mark away.
    func restore() { bits.bitwiseAnd(~Self.evicted, ordering: .acquiringAndReleasing) }
}
