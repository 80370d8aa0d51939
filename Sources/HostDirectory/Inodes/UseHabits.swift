import Synchronization

/// Whether the files that are looked up or listed have to be held soon, as when a tree is read or removed, or are only
/// looked at. A new file that has to be held is not worth a look before.
///
/// Read and written by all threads without regard to each other: a wrong guess costs one system call, or two where the
/// file was known.
struct UseHabits: ~Copyable, Sendable {
    private static let most: UInt32 = 16
    /// From which on a file is taken for one that has to be held.
    private static let enough: UInt32 = 8
    /// One of so many is looked at nevertheless.
    private static let sample: UInt32 = 8

    private let sureness = Atomic<UInt32>(0)
    private let questions = Atomic<UInt32>(0)

    /// Whether the next file is rather new and has to be held.
    func expectsUse() -> Bool {
        guard sureness.load(ordering: .relaxed) >= Self.enough else { return false }
        return questions.wrappingAdd(1, ordering: .relaxed).newValue % Self.sample != 0
    }

    /// A file was new, and is known by its name from now on.
    func noteNew() {
        let value = sureness.load(ordering: .relaxed)
        if value > 0 { sureness.store(value - 1, ordering: .relaxed) }
    }

    /// A file that was looked at was known.
    func noteKnown() {
        if sureness.load(ordering: .relaxed) != 0 { sureness.store(0, ordering: .relaxed) }
    }

    /// A file that had been looked at has to be held after all: it is used, or can't be known by its name.
    func noteUse() {
        let value = sureness.load(ordering: .relaxed)
        if value < Self.most { sureness.store(value + 2, ordering: .relaxed) }
    }
}
