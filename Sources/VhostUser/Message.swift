import Syscalls

/// A whole message as it came in.
struct Message {
    let header: MessageHeader
    let payload: [UInt8]
    /// What came with it; what is not taken is closed with the message.
    let descriptors: DescriptorList

    /// The payload as one structure: it has to be just that long.
    func decode<Value: BitwiseCopyable>(_ type: Value.Type) throws(ProtocolError) -> Value {
        try expectPayload(MemoryLayout<Value>.size)
        return payload.withUnsafeBytes { $0.loadUnaligned(as: Value.self) }
    }

    /// A structure at the front of the payload, and where the rest starts.
    func decodeHead<Value: BitwiseCopyable>(_ type: Value.Type) throws(ProtocolError) -> Value {
        let size = MemoryLayout<Value>.size
        guard payload.count >= size else { throw .payloadSize(header.payloadSize, expected: size) }
        return payload.withUnsafeBytes { $0.loadUnaligned(as: Value.self) }
    }

    func expectPayload(_ size: Int) throws(ProtocolError) {
        guard payload.count == size else { throw .payloadSize(header.payloadSize, expected: size) }
    }

    func expectDescriptors(_ count: Int) throws(ProtocolError) {
        guard descriptors.count == count else {
            throw .descriptorCount(descriptors.count, expected: count)
        }
    }
}

/// The bytes of a structure.
func bytes<Value: BitwiseCopyable>(of value: Value) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
