import CKernel
import FUSEWire

/// A part of a message that means something only where it was said: to be translated in a request, and to be compared by what
/// it stands for in an answer.
struct WireField {
    enum Kind {
        case node, handle, inode
        /// Where a listing goes on.
        case cookie
        /// A time, a process, or what is the host's own, as the size of a folder: not compared at all.
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
        case .lookup, .symlink, .mknod, .mkdir, .link: entry(bytes, at: replyHead)
        case .create, .tmpfile: entry(bytes, at: replyHead) + [WireField(kind: .handle, offset: replyHead + entrySize)]
        case .getattr, .setattr: attributes(bytes, at: replyHead + 16)
        case .open, .opendir: [WireField(kind: .handle, offset: replyHead)]
        case .readdir: listing(bytes, plus: false)
        case .readdirplus: listing(bytes, plus: true)
        case .statx: extendedAttributes(at: replyHead + 32)
        // Blocks and files, which everybody changes, and the size of blocks; but not how long a name may be.
        case .statfs:
            [
                WireField(kind: .ignored, offset: replyHead, size: 44),
                WireField(kind: .ignored, offset: replyHead + 48, size: 4),
            ]
        case .getlk: [WireField(kind: .ignored, offset: replyHead + 20, size: 4)]
        default: []
        }
    }

    private static let entrySize = MemoryLayout<fuse_entry_out>.size

    private static func entry(_ bytes: [UInt8], at offset: Int) -> [WireField] {
        [WireField(kind: .node, offset: offset)] + attributes(bytes, at: offset + 40)
    }

    /// `fuse_attr`: the inode's number, blocks, three times in seconds, then in nanoseconds, and the size of blocks. Each file
    /// system has its own size of folders, and its own count of their links.
    private static func attributes(_ bytes: [UInt8], at offset: Int) -> [WireField] {
        var fields = [
            WireField(kind: .inode, offset: offset), WireField(kind: .ignored, offset: offset + 16, size: 44),
            WireField(kind: .ignored, offset: offset + 80, size: 4),
        ]
        if word(bytes, offset + 60) & UInt32(S_IFMT) == UInt32(S_IFDIR) {
            fields += [
                WireField(kind: .ignored, offset: offset + 8), WireField(kind: .ignored, offset: offset + 64, size: 4),
            ]
        }
        return fields
    }

    /// `fuse_statx`: the size of blocks, what attributes the file system knows of and has, the inode's number, blocks, four
    /// times of 16 bytes, and the device's number.
    private static func extendedAttributes(at offset: Int) -> [WireField] {
        [
            WireField(kind: .ignored, offset: offset + 4, size: 12), WireField(kind: .inode, offset: offset + 32),
            WireField(kind: .ignored, offset: offset + 48, size: 80),
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
            if plus, number(bytes, entryStart) != 0 { fields += entry(bytes, at: entryStart) }
            fields += [WireField(kind: .inode, offset: offset), WireField(kind: .cookie, offset: offset + 8)]
            offset += (24 + Int(word(bytes, offset + 16)) + 7) & ~7
        }
    }

    /// A listing with its entries in the order of another one's, which each file system has its own of: where both have the
    /// same names. Where the listing goes on behind an entry stays with the place.
    static func reorder(_ reply: [UInt8], as recorded: [UInt8], plus: Bool) -> [UInt8] {
        let (found, wanted) = (entries(reply, plus: plus), entries(recorded, plus: plus))
        let byName = Dictionary(found.map { ($0.name, $0.bytes) }, uniquingKeysWith: { first, _ in first })
        guard byName.count == found.count, Set(wanted.map(\.name)) == Set(byName.keys), wanted.count == found.count
        else { return reply }
        var result = Array(reply.prefix(replyHead))
        for (place, entry) in wanted.enumerated() {
            let start = result.count + (plus ? entrySize : 0) + 8
            result += byName[entry.name]!
            withUnsafeBytes(of: found[place].cookie) { result.replaceSubrange(start..<start + 8, with: $0) }
        }
        return result
    }

    /// The entries of a listing that is whole; none of one that is not.
    private static func entries(
        _ bytes: [UInt8], plus: Bool
    ) -> [(name: [UInt8], cookie: UInt64, bytes: ArraySlice<UInt8>)] {
        var entries: [(name: [UInt8], cookie: UInt64, bytes: ArraySlice<UInt8>)] = []
        var start = replyHead
        while start < bytes.count {
            let fields = start + (plus ? entrySize : 0)
            guard fields + 24 <= bytes.count else { return [] }
            let name = fields + 24..<fields + 24 + Int(word(bytes, fields + 16))
            let end = fields + (name.upperBound - fields + 7) & ~7
            guard end <= bytes.count else { return [] }
            entries.append((Array(bytes[name]), number(bytes, fields + 8), bytes[start..<end]))
            start = end
        }
        return entries
    }

    static func number(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
    }
}
