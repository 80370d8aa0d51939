import CKernel
import FUSEWire
import Synchronization
import Syscalls
import SystemPackage

/// Counting lookups of files that are held.
extension InodeTable {
    /// What became of a file that is held, in one look at the map.
    private enum Place {
        case known(NodeID)
        case new(NodeID)
        /// The key belongs to an inode without descriptor: the same file, or one that is gone.
        case unclear(Pin)
        /// New, but there are no descriptors left for it.
        case full
    }

    /// What was found out about an inode whose key is that of the file in hand.
    private struct Finding {
        let pin: Pin
        let isSame: Bool
    }

    /// Counts a lookup of the file that `descriptor` holds, and takes the descriptor over.
    ///
    /// - Parameter name: what it was found by, and is known by if there are no descriptors left for it.
    /// - Throws: ENFILE when it can't be known by its name then.
    func adopt(
        _ descriptor: consuming OwnedDescriptor, _ status: borrowing statx, as name: EntryName?
    ) throws(Errno) -> NodeID {
        let inode = Inode(key: InodeKey(status), birth: nextBirth(), mode: status.stx_mode)
        if inode.isFolder { mounts.note(inode.key.mount, descriptor.descriptor) }
        let hasRoom = hasRoomForOne()
        var finding: Finding?
        defer { if let finding { unpin(finding.pin) } }
        while true {
            switch try place(inode, hasRoom ? descriptor.rawValue : nil, finding) {
            case .new(let node):
                clock.set(descriptor.release().rawValue, to: UInt32(truncatingIfNeeded: node.rawValue))
                budget.add(inodes: 1)
                makeRoom()
                return node
            case .known(let node):
                // If the inode is held already, this descriptor is one too many and closed.
                guard let finding, finding.pin.id == node.rawValue else { return node }
                // Where it can't be held, the name that it is known by may be gone, but this one is not.
                if hasRoom { restore(finding.pin, descriptor) } else if let name { rename(finding.pin, to: name) }
                return node
            case .unclear(let pin):
                if let finding { unpin(finding.pin) }
                finding = nil
                finding = Finding(pin: pin, isSame: isSameFile(pin, descriptor.descriptor, status))
            case .full:
                guard let name, let known = known(inode, status, as: name) else { throw spent() }
                if let node = try insert(inode, known) { return node }
            }
        }
    }

    /// - Parameter descriptor: nothing if a new inode can't be held.
    private func place(_ new: Inode, _ descriptor: Int32?, _ finding: Finding?) throws(Errno) -> Place {
        try shard(of: new.key).pointee.withMap { map throws(Errno) -> Place in
            if let (index, record) = map.pointee.find(new.key, in: slab) {
                let isKnown = !record.header.pointee.pins.isEvicted
                let finding = finding.flatMap { $0.pin.index == index ? $0 : nil }
                if isKnown || finding?.isSame == true { return .known(count(record, at: index, in: map)) }
                // What is in the map is alive.
                guard finding != nil else { return .unclear(slab.pin(at: index, marking: false).unsafelyUnwrapped) }
                record.displace()
            }
            guard let descriptor else { return .full }
            let name = try slab.insert(new, word: 1, descriptor: descriptor) { record, index in
                map.pointee.link(record, at: index, in: slab)
            }
            map.pointee.lookups &+= 1
            return .new(NodeID(rawValue: name))
        }
    }

    /// Whether an inode without descriptor is the file that `descriptor` holds. An inode number may have passed to another
    /// file. False, too, if it has a descriptor by now.
    func isSameFile(_ pin: Pin, _ descriptor: FileDescriptor, _ status: borrowing statx) -> Bool {
        let birth = BirthTime(status)
        let isNamed = evictionLock.withLock { pin.record.knownName.map { $0.birth == birth } }
        if let isNamed { return isNamed }
        guard let memory = pin.header.pointee.memory.load(ordering: .acquiring) else { return false }
        do throws(Errno) {
            return try HostFileHandle(of: descriptor).isEqual(to: memory)
        } catch {
            return false
        }
    }
}
