import Synchronization
import SystemPackage

/// A call of a Swift task: it is suspended until the driver has the reply, and blocks no thread.
final class AsyncCall<Value: Sendable>: PendingCall, @unchecked Sendable {
    /// Makes a value of a successful reply's payload, which is in guest memory: to be copied before it is believed.
    private let receive: (UnsafeRawBufferPointer) -> Result<Value, Errno>
    /// Set before the request is sent.
    var continuation: UnsafeContinuation<Result<Value, Errno>, Never>?
    private let stage = Atomic(Stage.making)

    init(_ receive: @escaping (UnsafeRawBufferPointer) -> Result<Value, Errno>) { self.receive = receive }

    /// The request has gone out; whether the task was cancelled before, so that an INTERRUPT has to follow.
    func noteSent() -> Bool {
        let (exchanged, before) = stage.compareExchange(
            expected: Stage.making, desired: Stage.sent, ordering: .acquiringAndReleasing)
        return !exchanged && before == Stage.cancelled
    }

    /// The task was cancelled; whether an INTERRUPT has to be sent now: not before the request, and not after the reply.
    func noteCancelled() -> Bool {
        let (exchanged, before) = stage.compareExchange(
            expected: Stage.making, desired: Stage.cancelled, ordering: .acquiringAndReleasing)
        return !exchanged && before == Stage.sent
    }

    override func finish(_ reply: Reply) {
        stage.store(Stage.finished, ordering: .releasing)
        let result = if let error = reply.error { Result<Value, Errno>.failure(error) } else { receive(reply.payload) }
        continuation!.resume(returning: result)
    }
}

/// How far a call is.
private enum Stage {
    static let making: UInt8 = 0
    static let sent: UInt8 = 1
    static let cancelled: UInt8 = 2
    static let finished: UInt8 = 3
}
