import Syscalls
import SystemPackage

/// A request whose sender waits for the reply itself: the driver's handler does not see it.
class PendingCall: @unchecked Sendable {
    /// Takes the reply, once, on whatever thread it came. Must not wait.
    func finish(_ reply: Reply) { preconditionFailure("a pending call has to say what it does with its reply") }
}

/// A call that blocks its thread.
final class BlockingRequest: PendingCall, @unchecked Sendable {
    private let done = OneTimeEvent()
    /// Written before `done`, read after it.
    private var error: Errno?
    private var payload: [UInt8] = []

    override func finish(_ reply: Reply) {
        error = reply.error
        payload = Array(reply.payload)
        done.signal()
    }

    func wait() throws(Errno) -> [UInt8] {
        done.wait()
        if let error { throw error }
        return payload
    }
}
