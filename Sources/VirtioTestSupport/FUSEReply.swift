public import CKernel
public import FUSEWire

/// What a device wrote into a chain, as a FUSE reply.
public struct FUSEReply: Sendable {
    public let header: fuse_out_header
    /// What follows the header.
    public let payload: [UInt8]

    /// Nothing when there is not even a header.
    public init?(_ bytes: [UInt8]) {
        let size = MemoryLayout<fuse_out_header>.size
        guard bytes.count >= size else { return nil }
        header = bytes.withUnsafeBytes { $0.loadUnaligned(as: fuse_out_header.self) }
        payload = Array(bytes[size...])
    }

    /// The bytes of a reply, with the length that it has; for a mock device.
    public static func bytes(unique: UInt64, error: Int32 = 0, payload: [UInt8] = []) -> [UInt8] {
        let size = MemoryLayout<fuse_out_header>.size
        let header = fuse_out_header(len: UInt32(size + payload.count), error: error, unique: unique)
        return withUnsafeBytes(of: header) { Array($0) } + payload
    }

    /// The error as `errno` has it; zero on success.
    public var errno: Int32 { 0 &- header.error }

    /// A structure of linux/fuse.h out of the payload; nothing when the payload is too short for it.
    public func structure<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int = 0) -> Value? {
        guard offset >= 0, payload.count >= offset + MemoryLayout<Value>.size else { return nil }
        return payload.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }

    /// A reply that a real client's kernel would take (fuse_dev_do_write, fs/fuse/dev.c): its own length, its error and
    /// its `unique` are right, and an error comes without a payload.
    ///
    /// - Parameter usedLength: what the chain was returned with.
    public func isWellFormed(unique: UInt64, usedLength: UInt32) -> Bool {
        header.len == usedLength && header.unique == unique && header.error <= 0 && header.error > -512
            && (header.error == 0 || payload.isEmpty)
    }

    /// An entry of a READDIR or READDIRPLUS reply.
    public struct Entry: Sendable {
        public let name: [UInt8]
        public let cookie: UInt64
        /// Zero for READDIR, and where READDIRPLUS gives no node.
        public let node: NodeID
    }

    /// The entries of a READDIR or READDIRPLUS reply; nothing where they don't fill the payload exactly.
    public func entries(plus: Bool) -> [Entry]? {
        let prefix = plus ? MemoryLayout<fuse_entry_out>.size : 0
        var entries: [Entry] = []
        var offset = 0
        while offset < payload.count {
            guard let cookie = structure(UInt64.self, at: offset + prefix + 8),
                let count = structure(UInt32.self, at: offset + prefix + 16), count <= 255,
                let node = plus ? structure(UInt64.self, at: offset) : 0
            else { return nil }
            let start = offset + prefix + 24
            let size = DirectoryEntryWriter.size(nameCount: Int(count), plus: plus)
            guard offset + size <= payload.count else { return nil }
            entries.append(
                Entry(name: Array(payload[start..<start + Int(count)]), cookie: cookie, node: NodeID(rawValue: node)))
            offset += size
        }
        return entries
    }
}
