import CKernel
import FUSEWire
import Synchronization
import Syscalls
import SystemPackage

/// Files that are known by name until they are used. To see a file takes one system call (statx(2)), to hold it another one
/// and a descriptor; and most files that are listed or looked at are never used by their node.
///
/// So a file that is new, and no folder, is only seen: its record has no descriptor, as if it were evicted, and a
/// ``KnownName`` in place of a handle. When it is used first, the name is opened, and what it means has to have the key, the
/// type and the time of birth of what was seen: else the node is stale, and Linux looks the name up anew. From then on it is
/// a file like any other. Before a client takes the name away, the file is held.
///
/// Where no descriptor is left for that, the file stays known by its name, and each request opens it anew. A file that is
/// open is found through that when its name is gone; see ``HostDirectory/withNode(_:_:)``.
extension InodeTable {
    /// How many inodes are known by name alone.
    var namedCount: Int { named.load(ordering: .relaxed) }

    /// Counts a lookup of the file that a name was seen to mean at `time`, if it is known, or if to have seen it is enough.
    ///
    /// - Returns: nothing if the caller has to hold the file first.
    func see(_ status: borrowing statx, as name: EntryName, knownSince time: UInt64) -> NodeID? {
        let (key, born) = (InodeKey(status), BirthTime(status))
        var isNew = false
        let known = shard(of: key).pointee.withMap { map -> NodeID? in
            guard let (index, record) = map.pointee.find(key, in: slab) else {
                isNew = true
                return nil
            }
            let isSame =
                record.header.pointee.pins.isEvicted
                ? isKnown(record, as: name, born) : record.payload.pointee.birth <= time
            return isSame ? count(record, at: index, in: map) : nil
        }
        let node = isNew ? insert(status, as: name) : known
        if Int32(status.stx_mode) & S_IFMT != S_IFDIR { note(node, isNew: isNew) }
        return node
    }

    private func note(_ node: NodeID?, isNew: Bool) {
        if node == nil { habits.noteUse() } else if isNew { habits.noteNew() } else { habits.noteKnown() }
    }

    /// Whether a record is of the file that was seen, under the same name. By another name of a file, it has to be held:
    /// the one that is known may be gone.
    private func isKnown(_ record: Record, as name: EntryName, _ born: BirthTime?) -> Bool {
        evictionLock.withLock {
            guard let known = record.knownName else { return false }
            return known.birth == born && known.isEqual(to: name)
        }
    }

    private func insert(_ status: borrowing statx, as name: EntryName) -> NodeID? {
        let inode = Inode(key: InodeKey(status), birth: nextBirth(), mode: status.stx_mode)
        guard let known = known(inode, status, as: name) else { return nil }
        do throws(Errno) {
            return try insert(inode, known)
        } catch {
            return nil
        }
    }

    /// What a file can be known by. Nothing for a folder, and for a file that is so young that its successor could be born in
    /// the same tick of the clock: those have to be held.
    func known(_ inode: Inode, _ status: borrowing statx, as name: EntryName) -> KnownName? {
        guard !inode.isFolder, name.count <= KnownName.longest, let birth = BirthTime(status), birth.isOver else {
            return nil
        }
        return KnownName(name, birth: birth)
    }

    /// Takes a name over; nothing if another thread was faster.
    ///
    /// - Throws: ENFILE when there are no places left.
    func insert(_ inode: Inode, _ known: KnownName) throws(Errno) -> NodeID? {
        nameCounts.add(known.entry)
        named.wrappingAdd(1, ordering: .relaxed)
        var node: NodeID?
        defer { if node == nil { drop(known) } }
        node = try shard(of: inode.key).pointee.withMap { map throws(Errno) -> NodeID? in
            guard map.pointee.find(inode.key, in: slab) == nil else { return nil }
            let name = try slab.insert(inode, word: 1, memory: known.memory) { record, index in
                map.pointee.link(record, at: index, in: slab)
            }
            map.pointee.lookups &+= 1
            return NodeID(rawValue: name)
        }
        return node
    }

    /// A name is not what a file is known by any more.
    func drop(_ name: KnownName) {
        nameCounts.remove(name.entry)
        named.wrappingSubtract(1, ordering: .relaxed)
        name.deallocate()
    }

    /// Opens what a name means by now, if it is still that inode.
    ///
    /// - Throws: ESTALE when it is another one, or none, or when the folder is not known any more.
    func open(_ copy: KnownNameCopy, of inode: Inode) throws(Errno) -> OwnedDescriptor {
        let folder = try pin(copy.folder)
        defer { unpin(folder) }
        let held = try descriptor(of: folder)
        defer { held.end() }
        let file = try copy.open(in: held.descriptor)
        var status = CKernel.statx()
        try file.descriptor.status(mask: InodeKey.mask, into: &status)
        guard InodeKey(status) == inode.key, inode.isOfType(status.stx_mode), BirthTime(status) == copy.birth else {
            throw .staleNFSFileHandle
        }
        return file
    }

    // MARK: names that go away

    /// Whether a file may be known by this name alone.
    func mayBeKnown(as name: EntryName) -> Bool { nameCounts.mayContain(name) }

    /// Pins the inode of the file that `descriptor` holds, if it has none of its own, and gives it this one, as long as there
    /// are any: the file is about to lose a name, perhaps its last, or to get another.
    func hold(_ descriptor: consuming OwnedDescriptor, _ status: borrowing statx, losingName: Bool) -> Pin? {
        guard let pin = pin(InodeKey(status)) else { return nil }
        guard pin.wasEvicted, isSameFile(pin, descriptor.descriptor, status) else {
            unpin(pin)
            return nil
        }
        if hasRoomForOne(losingName: losingName) { restore(pin, descriptor) }
        return pin
    }

    /// Has a pinned inode that is known by its name be known by another one, which means it, too.
    func rename(_ pin: Pin, to name: EntryName) {
        guard name.count <= KnownName.longest,
            let birth = evictionLock.withLock({ pin.record.knownName?.birth })
        else { return }
        let new = KnownName(name, birth: birth)
        nameCounts.add(name)
        let old = evictionLock.withLock { () -> KnownName? in
            guard let old = pin.record.knownName else { return nil }  // another thread has held it meanwhile
            pin.header.pointee.memory.store(new.memory, ordering: .releasing)
            return old
        }
        let dropped = old ?? new
        nameCounts.remove(dropped.entry)
        dropped.deallocate()
    }
}

extension Slab<Inode>.Record {
    /// To be asked under the table's lock of evictions, or by who alone has the record.
    var knownName: KnownName? { KnownName(at: header.pointee.memory.load(ordering: .acquiring)) }
}
