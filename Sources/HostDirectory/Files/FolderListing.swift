import CKernel
import Syscalls
import SystemPackage

/// How far an open folder has been listed, with the entries that the host returned and nobody has taken yet.
struct FolderListing: ~Copyable {
    /// Held while entries are read, getdents64(2) included: the position belongs to the descriptor. Whoever waits here
    /// waits for another request of the same handle.
    private let lock = Lock()
    /// What the lock guards.
    private let entries: UnsafeMutablePointer<Entries>

    init() {
        entries = .allocate(capacity: 1)
        entries.initialize(to: Entries())
    }

    deinit {
        entries.deinitialize(count: 1)
        entries.deallocate()
    }

    /// Runs `body` with the lock held.
    func withEntries(_ body: (UnsafeMutablePointer<Entries>) throws(Errno) -> Void) throws(Errno) {
        lock.lock()
        defer { lock.unlock() }
        try body(entries)
    }

    /// An entry as getdents64(2) returned it, valid until the next one is asked for.
    struct Entry {
        let inode: UInt64
        /// Where the listing goes on behind this entry.
        let cookie: Int64
        /// `DT_REG` and so on.
        let type: UInt8
        let name: UnsafePointer<CChar>
        let nameCount: Int
        fileprivate let size: Int

        /// "." or "..".
        var isDot: Bool {
            let dot = CChar(bitPattern: UInt8(ascii: "."))
            return name[0] == dot && (nameCount == 1 || (nameCount == 2 && name[1] == dot))
        }
        var isParent: Bool { isDot && nameCount == 2 }
    }

    struct Entries: ~Copyable {
        private static let bufferSize = 32 << 10

        private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 8)
        private var filled = 0
        private var next = 0
        /// The cookie of the entry at `next`.
        private var position: Int64 = 0

        deinit { buffer.deallocate() }

        /// Goes to where a cookie says, which may be any number: the host's file system decides what it makes of it.
        /// Position zero is always read anew, as rewinddir(3) asks.
        mutating func seek(to cookie: Int64, _ folder: FileDescriptor) throws(Errno) {
            guard cookie != position || cookie == 0 else { return }
            (filled, next) = (0, 0)
            position = -1  // in case the next line throws
            try folder.setPosition(Int(cookie))
            position = cookie
        }

        /// The entry at the current position; nothing at the end.
        mutating func peek(_ folder: FileDescriptor) throws(Errno) -> Entry? {
            if next == filled {
                (filled, next) = (0, 0)
                filled = try folder.readEntries(into: buffer)
                guard filled > 0 else { return nil }
            }
            return parse(buffer.baseAddress! + next)
        }

        private func parse(_ entry: UnsafeMutableRawPointer) -> Entry {
            let name = (entry + 19).assumingMemoryBound(to: CChar.self)  // d_name of struct linux_dirent64
            return Entry(
                inode: entry.load(fromByteOffset: 0, as: UInt64.self),
                cookie: entry.load(fromByteOffset: 8, as: Int64.self),
                type: entry.load(fromByteOffset: 18, as: UInt8.self), name: name, nameCount: strlen(name),
                size: Int(entry.load(fromByteOffset: 16, as: UInt16.self)))
        }

        /// Goes on behind `entry`, the last that ``peek(_:)`` returned.
        mutating func take(_ entry: Entry) {
            next += entry.size
            position = entry.cookie
        }
    }
}
