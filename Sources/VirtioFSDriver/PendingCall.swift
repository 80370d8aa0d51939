import Syscalls
import SystemPackage

/// A request whose sender waits for the reply.
final class PendingCall: @unchecked Sendable {
    private let done = OneTimeEvent()
    /// Written before `done`, read after it.
    private var error: Errno?
    private var payload: [UInt8] = []

    func finish(_ reply: Reply) {
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
