import Syscalls
public import Virtio

/// How the device's threads share the work of a queue.
public struct ServiceOptions: Sendable {
    /// Which thread serves a queue whose worker sleeps.
    public enum KickPolicy: String, CaseIterable, Sendable {
        /// The thread that kicks, where it lends itself: a thread wake is saved on each side.
        case adaptive
        /// Always the queue's own worker.
        case worker
    }

    public var kick: KickPolicy = .adaptive
    /// How long a worker that ran out of work looks for more before it sleeps, at most, in nanoseconds.
    public var pollNanoseconds: UInt64 = 50_000
    /// Threads that one queue can have: beyond the one on duty, they are in operations that block, and one may assist where
    /// requests pile up.
    public var largestThreadCount = 64
    /// Processors of this machine that the threads can run on.
    public var processors = Affinity.count

    /// Who listens to what is served.
    public var tap: RequestTap?

    public init() {}
}
