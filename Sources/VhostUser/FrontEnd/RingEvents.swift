import Syscalls
import SystemPackage
import Virtio

/// The descriptors by which a front end and a back end tell each other something about a ring.
struct RingEvents: Sendable {
    let call: SharedEvent
    let error: SharedEvent
    let kick: Doorbell

    init() throws(FrontEndError) {
        do throws(Errno) {
            call = try SharedEvent()
            error = try SharedEvent()
            kick = Doorbell(event: try EventDescriptor())
        } catch {
            throw .system(error)
        }
    }
}
