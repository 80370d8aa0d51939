import Syscalls
import SystemPackage
import Virtqueue

/// Rings that the driver broke, from the device's threads that found out to the connection's that can stop them.
final class BrokenRings: Sendable {
    private final class Reports: @unchecked Sendable {
        var pending: [(number: Int, error: RingError)] = []
    }

    private let lock = Lock()
    /// Guarded by `lock`.
    private let reports = Reports()
    private let event: EventDescriptor

    init() throws(Errno) { event = try EventDescriptor() }

    /// Readable when there is something to take.
    var descriptor: FileDescriptor { event.descriptor }

    func report(_ number: Int, _ error: RingError) {
        lock.withLock { reports.pending.append((number, error)) }
        event.ring()
    }

    /// Takes what has come. Only after ``descriptor`` was readable.
    func take() -> [(number: Int, error: RingError)] {
        event.wait()
        return lock.withLock {
            defer { reports.pending = [] }
            return reports.pending
        }
    }
}
