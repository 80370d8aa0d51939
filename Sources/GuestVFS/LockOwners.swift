import Synchronization

/// Numbers by which the device tells apart who holds locks.
enum LockOwners {
    private static let last = Atomic<UInt64>(0)

    static func next() -> UInt64 { last.wrappingAdd(1, ordering: .relaxed).newValue }
}
