import CKernel
import FUSEWire

/// A request on its way to the wire: `fuse_in_header`, the operation's structure, then names and values.
struct RequestEncoder {
    private(set) var bytes: [UInt8]

    init(_ opcode: Opcode, _ node: NodeID, id: RequestID, as caller: Caller) {
        let header = fuse_in_header(
            len: 0, opcode: opcode.rawValue, unique: id.rawValue, nodeid: node.rawValue, uid: caller.uid,
            gid: caller.gid, pid: caller.pid, total_extlen: 0, padding: 0)
        bytes = []
        bytes.reserveCapacity(SlotLayout.headSize)
        append(header)
    }

    mutating func append<Value: WireStructure & BitwiseCopyable>(_ value: Value) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    /// A name and its terminating zero.
    mutating func append(_ name: EntryName) {
        bytes.append(contentsOf: name.bytes)
        bytes.append(0)
    }

    mutating func append(_ value: UnsafeRawBufferPointer) { bytes.append(contentsOf: value) }

    /// The one supplementary group that a new file may get: `fuse_ext_header` and `fuse_supp_groups`, padded to eight bytes
    /// (`FUSE_CREATE_SUPP_GROUP`).
    mutating func append(supplementaryGroup group: UInt32) {
        while bytes.count % 8 != 0 { bytes.append(0) }
        append(fuse_ext_header(size: 16, type: UInt32(FUSE_EXT_GROUPS)))
        append(UInt32(1))
        append(group)
        store(UInt16(2), at: MemoryLayout<fuse_in_header>.offset(of: \fuse_in_header.total_extlen)!)
    }

    /// Writes the length of the whole, with `extra` bytes that follow from elsewhere.
    mutating func seal(extra: Int) { store(UInt32(bytes.count + extra), at: 0) }

    private mutating func store<Number: BitwiseCopyable>(_ number: Number, at offset: Int) {
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: number, toByteOffset: offset, as: Number.self) }
    }
}
