import Syscalls

/// A value that threads of a mount and of a test use. The thread sanitizer doesn't know `Synchronization.Mutex`, takes what
/// it guards for a race, and hangs where a device's thread has to wait for the report.
final class Guarded<Value>: @unchecked Sendable {
    private let lock = Lock()
    private var value: Value

    init(_ value: Value) { self.value = value }

    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
