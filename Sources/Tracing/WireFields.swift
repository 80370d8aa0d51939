import CKernel
import FUSEWire

/// A part of a message that means something only where it was said: to be translated in a request, and to be compared by what
/// it stands for in an answer.
struct WireField {
    enum Kind {
        case node, handle, inode
        /// Where a listing goes on.
        case cookie
        /// A time, a process, a count that is the host's own: not compared at all.
        case ignored
    }

    let kind: Kind
    let offset: Int
    var size = 8
}

/// Where such fields are in the messages of linux/fuse.h.
enum WireFields {
    private static let requestHead = MemoryLayout<fuse_in_header>.size
    private static let replyHead = MemoryLayout<fuse_out_header>.size

    // MARK: requests

    static func request(_ opcode: Opcode, _ bytes: [UInt8]) -> [WireField] {
        let node = opcode == .initialize || opcode == .batchForget ? [] : [WireField(kind: .node, offset: 16)]
        return (node + arguments(opcode, bytes)).filter { $0.offset + $0.size <= bytes.count }
    }

    private static func arguments(_ opcode: Opcode, _ bytes: [UInt8]) -> [WireField] {
        switch opcode {
        case .read, .write, .release, .releasedir, .flush, .fsync, .fsyncdir, .lseek, .fallocate, .getlk, .setlk,
            .setlkw,
            .ioctl, .poll:
            [WireField(kind: .handle, offset: 40)]
        case .readdir, .readdirplus: [WireField(kind: .handle, offset: 40), WireField(kind: .cookie, offset: 48)]
        case .getattr, .statx:
            word(bytes, 40) & UInt32(FUSE_GETATTR_FH) != 0 ? [WireField(kind: .handle, offset: 48)] : []
        case .setattr: word(bytes, 40) & UInt32(FATTR_FH) != 0 ? [WireField(kind: .handle, offset: 48)] : []
        case .link, .rename, .rename2: [WireField(kind: .node, offset: 40)]
        case .copyFileRange, .copyFileRange64:
            [
                WireField(kind: .handle, offset: 40), WireField(kind: .node, offset: 56),
                WireField(kind: .handle, offset: 64),
            ]
        case .batchForget:
            stride(from: 48, to: bytes.count, by: 16).map { WireField(kind: .node, offset: $0) }
        default: []
        }
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        guard bytes.count >= offset + 4 else { return 0 }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
    }

    // MARK: answers

    static func reply(_ opcode: Opcode, _ bytes: [UInt8]) -> [WireField] {
        (payload(opcode, bytes) + [WireField(kind: .ignored, offset: 8)]).filter { $0.offset + $0.size <= bytes.count }
    }

    private static func payload(_ opcode: Opcode, _ bytes: [UInt8]) -> [WireField] {
        switch opcode {
        case .lookup, .symlink, .mknod, .mkdir, .link: entry(at: replyHead)
        case .create, .tmpfile: entry(at: replyHead) + [WireField(kind: .handle, offset: replyHead + entrySize)]
        case .getattr, .setattr: attributes(at: replyHead + 16)
        case .open, .opendir: [WireField(kind: .handle, offset: replyHead)]
        case .readdir: listing(bytes, plus: false)
        case .readdirplus: listing(bytes, plus: true)
        case .statx: extendedAttributes(at: replyHead + 32)
        // Free blocks and files, which everybody changes.
        case .statfs: [WireField(kind: .ignored, offset: replyHead, size: 40)]
        case .getlk: [WireField(kind: .ignored, offset: replyHead + 20, size: 4)]
        default: []
        }
    }

    private static let entrySize = MemoryLayout<fuse_entry_out>.size

    private static func entry(at offset: Int) -> [WireField] {
        [WireField(kind: .node, offset: offset)] + attributes(at: offset + 40)
    }

    /// `fuse_attr`: the inode's number, and three times in seconds, then in nanoseconds.
    private static func attributes(at offset: Int) -> [WireField] {
        [
            WireField(kind: .inode, offset: offset), WireField(kind: .ignored, offset: offset + 24, size: 24),
            WireField(kind: .ignored, offset: offset + 48, size: 12),
        ]
    }

    /// `fuse_statx`: the inode's number, four times of 16 bytes, and the device's number.
    private static func extendedAttributes(at offset: Int) -> [WireField] {
        [
            WireField(kind: .inode, offset: offset + 32), WireField(kind: .ignored, offset: offset + 64, size: 64),
            WireField(kind: .ignored, offset: offset + 136, size: 8),
        ]
    }

    /// `fuse_dirent` after `fuse_dirent`, each padded to eight bytes.
    private static func listing(_ bytes: [UInt8], plus: Bool) -> [WireField] {
        var fields: [WireField] = []
        var offset = replyHead
        while true {
            let entryStart = offset
            if plus { offset += entrySize }
            guard offset + 24 <= bytes.count else { return fields }
            // "." and ".." have no entry.
            if plus, number(bytes, entryStart) != 0 { fields += entry(at: entryStart) }
            fields += [WireField(kind: .inode, offset: offset), WireField(kind: .cookie, offset: offset + 8)]
            offset += (24 + Int(word(bytes, offset + 16)) + 7) & ~7
        }
    }

    static func number(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
    }
}
