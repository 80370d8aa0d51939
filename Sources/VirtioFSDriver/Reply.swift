public import FUSEWire
public import SystemPackage

/// What came of a request.
public struct Reply {
    public init(id: RequestID, opcode: UInt32, error: Errno?, payload: UnsafeRawBufferPointer) {
        self.id = id
        self.opcode = opcode
        self.error = error
        self.payload = payload
    }

    public let id: RequestID
    public let opcode: UInt32
    /// Nothing on success. EIO also where the device broke the ring or sent what is not a reply.
    public let error: Errno?
    /// What follows the reply's header, in guest memory: its length was checked, its content is the device's and may
    /// change under the reader. Valid until the handler returns.
    public let payload: UnsafeRawBufferPointer
}
