import CKernel
public import FUSEWire

/// What the driver has to know of a request that it sends.
public struct RequestHead: Sendable {
    public let id: RequestID
    public let opcode: UInt32
    public let node: NodeID
    /// The thread that asks, of the driver's machine; 0 for nobody's.
    public let pid: UInt32

    /// Of a request in private memory; nothing when it is shorter than a header.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= MemoryLayout<fuse_in_header>.size else { return nil }
        let header = bytes.loadUnaligned(as: fuse_in_header.self)
        id = RequestID(rawValue: header.unique)
        opcode = header.opcode
        node = NodeID(rawValue: header.nodeid)
        pid = header.pid
    }

    init?(_ bytes: [UInt8]) {
        guard let head = bytes.withUnsafeBytes({ RequestHead($0) }) else { return nil }
        self = head
    }
}
