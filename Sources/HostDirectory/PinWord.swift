import Synchronization

/// Whether a record is in use, by how many, and for the how-manieth time: one word, so that one compare and exchange
/// tells a stale name from a good one and takes hold of the record in the same step.
///
/// Bits 63…32 are the generation, which a record's every use increments; bit 31 says that the record is alive, that is,
/// that its name may be used; bits 30…0 count the threads that use it right now. A record whose lower half is zero is
/// nobody's, and only whoever took it there touches it.
struct PinWord: ~Copyable, Sendable {
    private static let alive: UInt64 = 1 << 31

    private let bits = Atomic<UInt64>(0)

    var generation: UInt32 { UInt32(truncatingIfNeeded: bits.load(ordering: .acquiring) >> 32) }

    /// Takes hold of the record, if it is alive in just this generation.
    @inline(__always)
    func pin(generation: UInt32) -> Bool {
        let wanted = UInt64(generation) << 1 | 1
        var current = bits.load(ordering: .relaxed)
        while current >> 31 == wanted {
            let (exchanged, original) = bits.weakCompareExchange(
                expected: current, desired: current &+ 1, successOrdering: .acquiring, failureOrdering: .relaxed)
            if exchanged { return true }
            current = original
        }
        return false
    }

    /// Lets go. True for the last one to do so on a record that is no longer alive: the record is then the caller's.
    @inline(__always)
    func unpin() -> Bool {
        let left = bits.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue
        return UInt32(truncatingIfNeeded: left) == 0
    }

    /// Ends the name's life; who uses the record goes on. The caller holds a pin. False when somebody else was first.
    func retire() -> Bool {
        bits.bitwiseAnd(~Self.alive, ordering: .acquiringAndReleasing).oldValue & Self.alive != 0
    }

    /// Makes a record alive that was the caller's alone, without pins.
    func publish(generation: UInt32) {
        bits.store(UInt64(generation) << 32 | Self.alive, ordering: .releasing)
    }
}
