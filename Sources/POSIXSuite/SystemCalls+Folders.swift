import CKernel
import Glibc
public import SystemPackage

extension SystemCalls {
    public func list(_ path: Path) throws(Errno) -> [FolderEntry] {
        let file = try open(path, O_RDONLY | O_DIRECTORY, 0)
        defer { close(file) }
        var entries: [FolderEntry] = []
        while true {
            let some = try FolderEntries.read(file)
            guard !some.isEmpty else { return entries }
            entries += some.map(\.entry).filter { $0.name != "." && $0.name != ".." }
        }
    }
}

/// An entry with what the next getdents64(2) or seekdir(3) needs.
struct PlacedEntry {
    let entry: FolderEntry
    /// Where the listing goes on behind this entry: `d_off`.
    let position: Int
}

enum FolderEntries {
    /// Entries from the descriptor's position on, with "." and "..": as many as fit into `size` bytes, none at the end.
    static func read(_ file: Int32, size: Int = 32 << 10) throws(Errno) -> [PlacedEntry] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
        defer { buffer.deallocate() }
        let count = try call(ck_getdents64(file, buffer.baseAddress, size))
        var entries: [PlacedEntry] = []
        var offset = 0
        while offset < count {
            // struct linux_dirent64 (getdents64(2)): d_ino, d_off, d_reclen, d_type, d_name.
            let name = (buffer.baseAddress! + offset + 19).assumingMemoryBound(to: UInt8.self)
            let length = strlen(UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self))
            let entry = FolderEntry(
                name: Path(Array(UnsafeBufferPointer(start: name, count: length))),
                type: buffer.load(fromByteOffset: offset + 18, as: UInt8.self),
                inode: buffer.load(fromByteOffset: offset, as: UInt64.self))
            entries.append(
                PlacedEntry(entry: entry, position: buffer.load(fromByteOffset: offset + 8, as: Int.self)))
            offset += Int(buffer.load(fromByteOffset: offset + 16, as: UInt16.self))
        }
        return entries
    }
}
