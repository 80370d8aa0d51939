import FUSEWire
import Synchronization
import Syscalls
import SystemPackage

/// Every open file and folder by its handle. An open one's inode is pinned, and so not evicted, so that it can lose its last
/// name and still be used by its node. One that could not be held can be opened anew through the open file.
final class HandleTable: Sendable {
    typealias Pin = Slab<OpenFile>.Pin

    private let slab = Slab<OpenFile>()
    private let open = Atomic<Int>(0)
    private let inodes: InodeTable

    init(inodes: InodeTable) { self.inodes = inodes }

    deinit { removeAll() }

    /// How many handles the client holds.
    var count: Int { open.load(ordering: .relaxed) }

    /// Takes an open file over.
    ///
    /// - Throws: ENFILE when there are no descriptors left for it, ESTALE when its node is not known any more.
    func insert(
        _ descriptor: consuming OwnedDescriptor, of node: NodeID, waits: Bool = false, writes: Bool = false,
        listing: UnsafeMutablePointer<FolderListing>? = nil
    ) throws(Errno) -> FileHandle {
        let file = OpenFile(
            node: node, rawDescriptor: descriptor.rawValue, waits: waits, writes: writes, listing: listing)
        try inodes.makeRoomForFile()
        let inode = try inodes.pin(node)
        do throws(Errno) {
            let name = try slab.insert(file)
            _ = descriptor.release()
            open.wrappingAdd(1, ordering: .relaxed)
            inodes.budget.add(files: 1)
            return FileHandle(rawValue: name)
        } catch {
            inodes.unpin(inode)
            throw error
        }
    }

    /// The open file, held until ``unpin(_:)``.
    ///
    /// - Throws: EBADF for a handle that is not open, or is one of another node, or of another kind.
    @inline(__always)
    func pin(_ handle: UInt64, of node: NodeID, _ kind: OpenFile.Kind) throws(Errno) -> Pin {
        guard let pin = slab.pin(handle) else { throw .badFileDescriptor }
        guard pin.payload.node == node, pin.payload.kind == kind else {
            unpin(pin)
            throw .badFileDescriptor
        }
        return pin
    }

    /// Some open file or folder of a node, held until ``unpin(_:)``. Looks at all that are open.
    func pin(ofNode node: UInt64) -> Pin? {
        for index in 1..<slab.end {
            guard let pin = slab.pin(at: index) else { continue }
            if pin.payload.node.rawValue == node { return pin }
            unpin(pin)
        }
        return nil
    }

    @inline(__always)
    func unpin(_ pin: Pin) {
        if slab.unpin(pin) { close(pin) }
    }

    private func close(_ pin: Pin) {
        let file = pin.payload
        file.descriptor.closeOwned()
        inodes.budget.add(files: -1)
        inodes.unpin(ofOpenFile: file.node)
        file.listing?.deinitialize(count: 1)
        file.listing?.deallocate()
        slab.recycle(pin)
    }

    /// Ends a handle. The file is closed when nobody uses it any more.
    func remove(_ handle: UInt64, of node: NodeID, _ kind: OpenFile.Kind) throws(Errno) {
        let pin = try pin(handle, of: node, kind)
        defer { unpin(pin) }
        guard retire(pin) else { throw .badFileDescriptor }
    }

    private func retire(_ pin: Pin) -> Bool {
        guard pin.header.pointee.pins.retire() else { return false }
        open.wrappingSubtract(1, ordering: .relaxed)
        return true
    }

    /// Ends all handles.
    func removeAll() {
        for index in 1..<slab.end {
            guard let pin = slab.pin(at: index) else { continue }
            _ = retire(pin)
            unpin(pin)
        }
    }
}

extension Slab<OpenFile>.Pin {
    /// What the record's word says.
    private static var cannotTell: UInt64 { 1 }
    private static var locked: UInt64 { 2 }

    /// Whether the file's system can say that bytes are not in memory (`RWF_NOWAIT`): yes, until it is seen not to.
    var canTellWhatIsInMemory: Bool { header.pointee.word.load(ordering: .relaxed) & Self.cannotTell == 0 }

    func cannotTellWhatIsInMemory() { header.pointee.word.bitwiseOr(Self.cannotTell, ordering: .relaxed) }

    /// Whether somebody has asked for a lock through this handle.
    var hasLocks: Bool { header.pointee.word.load(ordering: .relaxed) & Self.locked != 0 }

    func noteLocks() { header.pointee.word.bitwiseOr(Self.locked, ordering: .relaxed) }
}
