import Synchronization

/// Keeps threads that work side by side on processors of their own.
///
/// Where they wake others, or are woken, the scheduler may leave two of them on one processor for long: whom they work
/// for then gets the other one, and nothing in that makes it change soon. A thread that looks where it is from time to time,
/// and goes elsewhere once, mends it.
public final class ThreadPlaces: @unchecked Sendable {
    /// For each thread the processor that it was last on; -1 for one that needs none of its own.
    private let places: [UnsafeMutablePointer<Atomic<Int>>]

    /// - Parameter count: threads that work side by side.
    public init(count: Int) {
        places = (0..<count).map { _ in
            let place = UnsafeMutablePointer<Atomic<Int>>.allocateOnOwnCacheLines()
            place.initialize(to: Atomic(-1))
            return place
        }
    }

    deinit {
        for place in places {
            place.deinitialize(count: 1)
            place.deallocate()
        }
    }

    /// Notes where the calling thread is, and sends it to a processor that none of the others is on, if one before it is on
    /// its own. It isn't kept there: the scheduler may know better.
    ///
    /// - Parameter index: which of the threads it is. The first one only makes itself known: some 10 ns.
    public func keepApart(_ index: Int) {
        let here = Affinity.currentProcessor
        places[index].pointee.store(here, ordering: .relaxed)
        guard places[..<index].contains(where: { $0.pointee.load(ordering: .relaxed) == here }) else { return }
        guard let free = Affinity.processors.first(where: { isFree($0) && Affinity.stay(on: $0) }) else { return }
        places[index].pointee.store(free, ordering: .relaxed)
        Affinity.roam()
    }

    /// The calling thread needs no processor of its own any more.
    public func leave(_ index: Int) { places[index].pointee.store(-1, ordering: .relaxed) }

    /// Where a thread was last, if it has a processor of its own.
    public func processor(of index: Int) -> Int? {
        let found = places[index].pointee.load(ordering: .relaxed)
        return found < 0 ? nil : found
    }

    private func isFree(_ processor: Int) -> Bool {
        !places.contains { $0.pointee.load(ordering: .relaxed) == processor }
    }
}
