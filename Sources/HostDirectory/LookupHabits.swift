import Synchronization

/// Whether the files that are looked up are known already, as when a client checks names again whose time is up, or new,
/// as when it walks through a tree for the first time. A file that is new is not worth a look before it is held.
///
/// Read and written by all threads without regard to each other: a wrong guess costs one system call.
struct LookupHabits: ~Copyable, Sendable {
    /// New files, one after the other, from which on the next one is taken for new as well.
    private static let streak: UInt32 = 8
    /// One of so many is looked at nevertheless.
    private static let sample: UInt32 = 8

    private let newOnes = Atomic<UInt32>(0)

    /// Whether the next file is rather known.
    func expectsKnown() -> Bool {
        let count = newOnes.load(ordering: .relaxed)
        guard count >= Self.streak else { return true }
        newOnes.store(count == .max ? Self.streak : count + 1, ordering: .relaxed)
        return count % Self.sample == 0
    }

    /// What a look at a file has shown.
    func note(isKnown: Bool) {
        let count = newOnes.load(ordering: .relaxed)
        if isKnown {
            if count != 0 { newOnes.store(0, ordering: .relaxed) }
        } else if count < Self.streak {
            newOnes.store(count + 1, ordering: .relaxed)
        }
    }
}
