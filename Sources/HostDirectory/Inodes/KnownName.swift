import FUSEWire
import Glibc
import Syscalls
import SystemPackage

/// A name and the node of the folder that it is in; valid as long as the request or the listing that has the name.
struct EntryName {
    let folder: NodeID
    let pointer: UnsafePointer<CChar>
    /// Bytes, without the terminator.
    let count: Int

    init(folder: NodeID, pointer: UnsafePointer<CChar>, count: Int) {
        (self.folder, self.pointer, self.count) = (folder, pointer, count)
    }

    init(folder: NodeID, _ name: FileName) { self.init(folder: folder, pointer: name.pointer, count: name.count) }

    /// Spread over 64 bits, of which the upper ones are good (FNV-1a, from the folder on).
    var hash: UInt64 {
        var hash = folder.rawValue &* 0x9E37_79B9_7F4A_7C15
        for index in 0..<count { hash = (hash ^ UInt64(UInt8(bitPattern: pointer[index]))) &* 0x0000_0100_0000_01B3 }
        return hash &* 0x9E37_79B9_7F4A_7C15
    }
}

/// What is kept of a file that was seen and is not held, in place of a descriptor: its name, and its time of birth, which
/// tells whether the name still means this file. In memory of its own, where an evicted inode's has its handle.
struct KnownName {
    /// The name is behind it, with a terminator.
    private struct Head: BitwiseCopyable {
        /// Where a handle has its length, which is never so large.
        var mark = UInt32.max
        var count: UInt32
        var folder: UInt64
        var seconds: Int64
        var nanoseconds: UInt32
    }

    /// NAME_MAX: longer ones, which some file systems have, are not kept.
    static let longest = 255

    let memory: UnsafeMutableRawPointer

    /// A copy of `name`, to be deallocated.
    init(_ name: EntryName, birth: BirthTime) {
        let size = MemoryLayout<Head>.size
        // Not by way of posix_memalign(3), the longer way that `allocate` takes.
        memory = malloc(size + name.count + 1)!
        let head = Head(
            count: UInt32(name.count), folder: name.folder.rawValue, seconds: birth.seconds,
            nanoseconds: birth.nanoseconds)
        memory.storeBytes(of: head, as: Head.self)
        (memory + size).copyMemory(from: name.pointer, byteCount: name.count + 1)
    }

    /// What lies at `memory`, if it is a name and not a handle.
    init?(at memory: UnsafeMutableRawPointer?) {
        guard let memory, memory.load(as: UInt32.self) == .max else { return nil }
        self.memory = memory
    }

    func deallocate() { free(memory) }

    private var head: Head { memory.load(as: Head.self) }

    var birth: BirthTime { BirthTime(seconds: head.seconds, nanoseconds: head.nanoseconds) }

    /// Valid as long as the memory.
    var entry: EntryName {
        let pointer = (memory + MemoryLayout<Head>.size).assumingMemoryBound(to: CChar.self)
        return EntryName(folder: NodeID(rawValue: head.folder), pointer: pointer, count: Int(head.count))
    }

    func isEqual(to name: EntryName) -> Bool {
        let own = entry
        return own.count == name.count && own.folder == name.folder
            && memcmp(own.pointer, name.pointer, name.count) == 0
    }
}

/// A name that is known, copied so that it can be opened while another thread may deallocate it.
struct KnownNameCopy {
    let folder: NodeID
    let birth: BirthTime
    private var bytes = InlineArray<256, CChar>(repeating: 0)

    init(_ name: KnownName) {
        let entry = name.entry
        (folder, birth) = (entry.folder, name.birth)
        var span = bytes.mutableSpan
        span.withUnsafeMutableBufferPointer { buffer in
            // The last byte stays zero: a name has 255 at most.
            buffer.baseAddress!.update(from: entry.pointer, count: min(entry.count, KnownName.longest))
        }
    }

    /// - Throws: ESTALE when there is no such name.
    func open(in folder: FileDescriptor) throws(Errno) -> OwnedDescriptor {
        do throws(Errno) {
            return try bytes.span.withUnsafeBufferPointer { buffer throws(Errno) in
                try folder.hold(buffer.baseAddress!)
            }
        } catch .noSuchFileOrDirectory {
            throw .staleNFSFileHandle
        }
    }
}
