import CKernel
import FUSEWire

/// What is changed in an INIT on its way between kernel and device.
enum InitExchange {
    /// Flags of the local kernel's that mean nothing across a virtqueue (fuse-init flags "local /dev/fuse only"), or
    /// that need a DAX window or the kernel's own mount.
    private static let localOnly: InitFlags = [
        .spliceWrite, .spliceMove, .spliceRead, .abortError, .mapAlignment, .hasInodeDAX, .passthrough, .hasResend,
        .overIOUring, .requestTimeout,
    ]

    private static let readAheadOffset = MemoryLayout<fuse_in_header>.size + 8
    private static let flagsOffset = readAheadOffset + 4
    private static let flags2Offset = flagsOffset + 4

    /// The kernel's request as it goes to the device, which is offered as much to be read ahead as this mount can have.
    static func offer(_ request: [UInt8]) -> [UInt8] {
        guard request.count >= flags2Offset + 4 else { return request }
        var changed = request
        let local = localOnly.words
        changed.withUnsafeMutableBytes { bytes in
            let readAhead = bytes.loadUnaligned(fromByteOffset: readAheadOffset, as: UInt32.self)
            bytes.storeBytes(of: max(readAhead, ReadAhead.most), toByteOffset: readAheadOffset, as: UInt32.self)
            let flags = bytes.loadUnaligned(fromByteOffset: flagsOffset, as: UInt32.self)
            let flags2 = bytes.loadUnaligned(fromByteOffset: flags2Offset, as: UInt32.self)
            bytes.storeBytes(of: flags & ~local.flags, toByteOffset: flagsOffset, as: UInt32.self)
            bytes.storeBytes(of: flags2 & ~local.flags2, toByteOffset: flags2Offset, as: UInt32.self)
        }
        return changed
    }

    /// The device's answer as it goes to the kernel.
    static func answer(_ payload: [UInt8], largestPayload: Int) -> [UInt8] {
        guard payload.count >= MemoryLayout<fuse_init_out>.size else { return payload }
        var answer = payload.withUnsafeBytes { $0.loadUnaligned(as: fuse_init_out.self) }
        answer.max_write = min(answer.max_write, UInt32(largestPayload))
        answer.max_pages = min(answer.max_pages, UInt16(clamping: largestPayload / 4096))
        let local = localOnly.words
        answer.flags &= ~local.flags
        answer.flags2 &= ~local.flags2
        return withUnsafeBytes(of: answer) { Array($0) }
    }

    /// How much the device wants the kernel to read ahead, in bytes, where that is more than the kernel does by itself.
    ///
    /// - Parameters:
    ///   - answer: the device's.
    ///   - request: the kernel's own.
    static func readAhead(_ answer: [UInt8], beyond request: [UInt8]) -> UInt32? {
        guard request.count >= flagsOffset, answer.count >= MemoryLayout<fuse_init_out>.size else { return nil }
        let own = request.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: readAheadOffset, as: UInt32.self) }
        let wanted = answer.withUnsafeBytes { $0.loadUnaligned(as: fuse_init_out.self).max_readahead }
        let bytes = min(wanted, ReadAhead.most)
        return bytes > own ? bytes : nil
    }
}
