import Synchronization
import Syscalls

/// Keeps readers that serve side by side, mostly for several callers, on processors of their own.
///
/// Two on one processor push the callers to the others, and every request and every answer then wakes a thread across
/// processors, which takes longer than a small request; and there is nothing in that to make the scheduler change it soon.
/// Each on its own, they are put aside by the callers that they wake beside them, and find the next request when they are
/// back, without having slept.
final class ReaderPlaces: Sendable {
    /// How often a reader looks where it is, in nanoseconds.
    static let interval: UInt64 = 1_000_000

    /// For each reader the processor that it was last on; -1 for one that needs none of its own.
    private let places: [Place]

    private final class Place: Sendable {
        let processor = Atomic<Int>(-1)
    }

    init(count: Int) { places = (0..<count).map { _ in Place() } }

    /// Sends the calling reader to a processor that no reader is on, if one before it is on its own. It isn't kept there: the
    /// scheduler may know better.
    func keepApart(_ index: Int) {
        let here = Affinity.currentProcessor
        places[index].processor.store(here, ordering: .relaxed)
        guard places[..<index].contains(where: { $0.processor.load(ordering: .relaxed) == here }) else { return }
        guard let free = Affinity.processors.first(where: { isFree($0) }), Affinity.stay(on: free) else { return }
        places[index].processor.store(free, ordering: .relaxed)
        Affinity.roam()
    }

    /// The calling reader needs no processor of its own any more.
    func leave(_ index: Int) { places[index].processor.store(-1, ordering: .relaxed) }

    /// Where a reader was last, if it has a processor of its own.
    func processor(of index: Int) -> Int? {
        let found = places[index].processor.load(ordering: .relaxed)
        return found < 0 ? nil : found
    }

    private func isFree(_ processor: Int) -> Bool {
        !places.contains { $0.processor.load(ordering: .relaxed) == processor }
    }
}
