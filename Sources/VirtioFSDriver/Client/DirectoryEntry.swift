public import CKernel
import FUSEWire

/// An entry of a folder, as READDIR and READDIRPLUS return it (`fuse_dirent`, `fuse_direntplus`).
public struct DirectoryEntry: Sendable {
    public let name: EntryName
    public let inode: UInt64
    /// `DT_REG` and so on; zero where the device doesn't tell.
    public let type: UInt8
    /// Where the listing goes on behind this entry.
    public let cookie: UInt64
    /// What a LOOKUP of the name would have returned; of READDIRPLUS only.
    public let found: fuse_entry_out?

    /// The entries of a reply. A length that leads out of it ends the list, as it ends the ledger's count.
    static func all(in listing: [UInt8], plus: Bool) -> [DirectoryEntry] {
        var entries: [DirectoryEntry] = []
        listing.withUnsafeBytes { bytes in
            var offset = 0
            while let (entry, size) = one(in: bytes, at: offset, plus: plus) {
                entries.append(entry)
                offset += size
            }
        }
        return entries
    }

    private static func one(
        in bytes: UnsafeRawBufferPointer, at start: Int, plus: Bool
    ) -> (entry: DirectoryEntry, size: Int)? {
        guard start + DirectoryEntryWriter.size(nameCount: 0, plus: plus) <= bytes.count else { return nil }
        let found = plus ? bytes.loadUnaligned(fromByteOffset: start, as: fuse_entry_out.self) : nil
        let fields = start + (plus ? MemoryLayout<fuse_entry_out>.size : 0)
        let nameCount = Int(bytes.loadUnaligned(fromByteOffset: fields + 16, as: UInt32.self))
        let name = fields + nameOffset
        guard nameCount <= longestName, name + nameCount <= bytes.count else { return nil }
        let entry = DirectoryEntry(
            name: EntryName(bytes[name..<(name + nameCount)]),
            inode: bytes.loadUnaligned(fromByteOffset: fields, as: UInt64.self),
            type: UInt8(truncatingIfNeeded: bytes.loadUnaligned(fromByteOffset: fields + 20, as: UInt32.self)),
            cookie: bytes.loadUnaligned(fromByteOffset: fields + 8, as: UInt64.self), found: found)
        return (entry, DirectoryEntryWriter.size(nameCount: nameCount, plus: plus))
    }

    /// `FUSE_NAME_OFFSET`.
    private static let nameOffset = 24
    /// Bytes of a name that Linux would still take (`FUSE_NAME_MAX`, fs/fuse/fuse_i.h, and some).
    private static let longestName = 4096
}
