public import CKernel

/// Where somebody listens to the requests that a device serves: on the thread that serves, when the answer is written and the
/// driver does not have it yet. Where nobody listens it costs a look at a pointer.
public final class RequestTap: Sendable {
    /// A request and its answer, in the guest's own memory.
    public struct Exchange {
        /// Of the queue.
        public let queue: Int
        public let readable: UnsafeMutableBufferPointer<iovec>
        public let writable: UnsafeMutableBufferPointer<iovec>
        /// Bytes of the answer.
        public let written: UInt32
        /// When the request was taken, and when it was answered, on the clock that never jumps (CLOCK_MONOTONIC).
        public let start: UInt64
        public let end: UInt64

        public init(
            queue: Int, readable: UnsafeMutableBufferPointer<iovec>, writable: UnsafeMutableBufferPointer<iovec>,
            written: UInt32, start: UInt64, end: UInt64
        ) {
            self.queue = queue
            self.readable = readable
            self.writable = writable
            self.written = written
            self.start = start
            self.end = end
        }
    }

    /// Hears of an exchange. From any of the device's threads, several at once.
    public let hear: @Sendable (Exchange) -> Void

    public init(_ hear: @escaping @Sendable (Exchange) -> Void) { self.hear = hear }
}
