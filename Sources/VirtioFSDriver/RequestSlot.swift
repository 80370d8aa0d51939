import FUSEWire

/// The driver's private record of a slot: what it sent, so that nothing has to be read back from shared memory.
struct RequestSlot {
    enum State {
        case free
        /// Somebody fills it.
        case held
        case inFlight
        /// It was in flight when the ring broke, and is answered: until the reset it is still the device's.
        case lost
    }

    var state = State.free
    var id = RequestID(rawValue: 0)
    var opcode: UInt32 = 0
    var shape = ReplyShape.none
    /// Where the reply's payload is, from the slot's start.
    var replyPayloadOffset = 0
    /// Who waits for the reply, if it is not the driver's own handler.
    var call: Unmanaged<PendingCall>?
}
