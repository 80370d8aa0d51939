import CKernel
import FUSEWire
import VirtioFSDriver

/// What the measurement works on: a folder of its own in the root of the file system, made through the device and
/// removed through it.
final class BenchShare {
    static let listingSize = 32 << 10

    let session: BenchSession
    private let name = "bench-\(getpid())"
    /// Bytes of data, in however many files.
    private let dataSize: Int
    private let spread: BenchFiles
    /// By how many there are of them: with each number all data is there once.
    private var files: [Int: [BenchFile]] = [:]
    /// Files in the folder that is listed.
    let entryCount: Int
    let folder: NodeID
    let entries: NodeID
    /// Entries of the listing that is under way.
    var listed = 0

    init(_ session: BenchSession, entryCount: Int, files spread: BenchFiles) throws {
        self.session = session
        self.spread = spread
        self.entryCount = entryCount
        dataSize = max(64 << 20, session.largestTransfer)
        folder = try Self.node(session.call(.makeFolder(name, in: .root)))
        entries = try Self.node(session.call(.makeFolder("entries", in: folder)))
        try fill()
    }

    private func fill() throws {
        _ = try files(for: 1)
        for index in 0..<entryCount {
            let created = try session.call(.create(Self.entryName(index), in: entries))
            _ = try session.call(.release(Self.node(created), Self.handle(created)))
            forget(Self.node(created), 1)
        }
    }

    /// The files for so many requests at once.
    func files(for depth: Int) throws -> [BenchFile] {
        let count = spread == .one ? 1 : depth
        if let made = files[count] { return made }
        let block = session.largestTransfer
        let size = max(dataSize / count / block * block, block)
        files[count] = []
        for index in 0..<count {
            let name = "data-\(count)-\(index)"
            let created = try session.call(.create(name, in: folder))
            let file = BenchFile(name: name, node: Self.node(created), handle: Self.handle(created), size: size)
            // It is removed in the end, whatever happens now.
            files[count]!.append(file)
            try fill(file)
        }
        return files[count]!
    }

    private func fill(_ file: BenchFile) throws {
        for offset in stride(from: 0, to: file.size, by: session.largestTransfer) {
            _ = try session.call(.write(file.node, file.handle, at: UInt64(offset), count: session.largestTransfer))
        }
    }

    func remove() throws {
        for file in files.values.joined() {
            _ = try session.call(.release(file.node, file.handle))
            _ = try session.call(.unlink(file.name, in: folder))
            forget(file.node, 1)
        }
        for index in 0..<entryCount { try removeEntry(Self.entryName(index)) }
        _ = try session.call(.unlink("entries", in: folder, as: .rmdir))
        _ = try session.call(.unlink(name, in: .root, as: .rmdir))
    }

    /// QEMU's virtiofsd answers EIO to an UNLINK of what was never looked up, as Linux always does first.
    private func removeEntry(_ name: String) throws {
        let node = try Self.node(session.call(.lookup(name, in: entries)))
        _ = try session.call(.unlink(name, in: entries))
        forget(node, 1)
    }

    func forget(_ node: NodeID, _ count: UInt64) {
        guard count > 0 else { return }
        session.post(.forget(node, count: count))
    }

    /// Counts the entries of a READDIRPLUS and gives their lookups back in one BATCH_FORGET; the cookie of the last, if there
    /// is one.
    func take(listing: UnsafeRawBufferPointer) -> UInt64? {
        let entrySize = MemoryLayout<fuse_entry_out>.size
        var forgotten: [fuse_forget_one] = []
        var offset = 0
        var cookie: UInt64?
        while offset + entrySize + 24 <= listing.count {
            let node = listing.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            if node != 0 { forgotten.append(fuse_forget_one(nodeid: node, nlookup: 1)) }
            cookie = listing.loadUnaligned(fromByteOffset: offset + entrySize + 8, as: UInt64.self)
            let nameCount = listing.loadUnaligned(fromByteOffset: offset + entrySize + 16, as: UInt32.self)
            offset += DirectoryEntryWriter.size(nameCount: Int(nameCount), plus: true)
            listed += 1
        }
        guard cookie != nil else { return nil }
        var request = BenchRequest(.batchForget, NodeID(rawValue: 0))
            .with(fuse_batch_forget_in(count: UInt32(forgotten.count), dummy: 0))
            .with(dataCount: forgotten.count * MemoryLayout<fuse_forget_one>.stride).bytes
        forgotten.withUnsafeBytes { request.append(contentsOf: $0) }
        session.driver.post(request)
        return cookie
    }

    private static func entryName(_ index: Int) -> String { "entry-\(index)" }

    private static func node(_ reply: [UInt8]) -> NodeID {
        NodeID(rawValue: reply.withUnsafeBytes { $0.loadUnaligned(as: fuse_entry_out.self).nodeid })
    }

    /// The handle that CREATE's reply has behind the entry.
    private static func handle(_ reply: [UInt8]) -> UInt64 {
        reply.withUnsafeBytes {
            $0.loadUnaligned(fromByteOffset: MemoryLayout<fuse_entry_out>.size, as: fuse_open_out.self).fh
        }
    }
}
