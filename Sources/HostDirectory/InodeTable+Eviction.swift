import CKernel
import FUSEWire
import Synchronization
import Syscalls
import SystemPackage

/// Many inodes with few descriptors. An inode that nobody has used for a while is evicted: its descriptor is closed, and
/// its handle (name_to_handle_at(2)) kept, by which it is opened again when it is used (open_by_handle_at(2)).
///
/// Never evicted are the root, what is in use or open, and what has no name any more: a handle holds nothing, and a file
/// without a name would be gone. Whether an inode is evicted is a bit of its ``PinWord``, set by one compare and exchange
/// that also finds that nobody uses it: so who pins an inode that is not evicted may use the descriptor until it unpins.
extension InodeTable {
    /// The descriptor of an inode, valid while it is pinned.
    ///
    /// - Throws: ESTALE when it was evicted and has ceased to exist meanwhile.
    @inline(__always)
    func descriptor(of pin: Pin) throws(Errno) -> FileDescriptor {
        pin.wasEvicted ? try reopen(pin) : pin.record.heldDescriptor
    }

    private func reopen(_ pin: Pin) throws(Errno) -> FileDescriptor {
        switch evictionLock.withLock({ pin.hold }) {
        case .descriptor(let held): return held
        case .name(let name):
            try makeRoomForOne()
            restore(pin, try open(name, of: pin.payload))
        case .handle(let memory):
            try makeRoomForOne()
            guard let mount = mounts.mount(pin.payload.key.mount) else { throw .staleNFSFileHandle }
            restore(pin, try HostFileHandle.open(memory, on: mount.descriptor.descriptor, flags: O_PATH))
        }
        makeRoom()
        return pin.record.heldDescriptor
    }

    /// Gives a pinned inode a descriptor, unless another thread was faster: then it is one too many and closed.
    func restore(_ pin: Pin, _ descriptor: consuming OwnedDescriptor) {
        let raw = descriptor.rawValue
        var name: KnownName?
        let isRestored = evictionLock.withLock {
            guard pin.header.pointee.pins.isEvicted else { return false }
            name = pin.record.knownName
            if name != nil { pin.header.pointee.memory.store(nil, ordering: .relaxed) }
            pin.header.pointee.descriptor.store(raw, ordering: .relaxed)
            pin.header.pointee.pins.restore()
            return true
        }
        guard isRestored else { return }
        _ = descriptor.release()
        clock.set(raw, to: pin.index)
        budget.add(inodes: 1)
        if let name {
            drop(name)
            habits.noteUse()
        } else {
            evictions.wrappingSubtract(1, ordering: .relaxed)
        }
    }

    /// Whether inodes can be evicted at all.
    var canEvict: Bool { mounts.canReopen }
    /// How many inodes are evicted.
    var evictedCount: Int { evictions.load(ordering: .relaxed) }

    /// Whether what nobody has asked for by name may be held: a listing must not take the last descriptors.
    var hasRoomForListing: Bool { canEvict || budget.excess <= 0 }

    // MARK: making room

    /// Evicts a few inodes if there are too many descriptors. Each that takes one calls this, so a few are enough. The more
    /// are too many, the further it looks: descriptors of other things may lie between.
    func makeRoom() {
        let excess = budget.excess
        guard excess > 0, canEvict else { return }
        sweep(evicting: min(excess, 2), looking: min(64 * (1 + excess), 4096))
    }

    /// Evicts what can be evicted, as far as it is needed.
    ///
    /// - Throws: ENFILE when nothing can be.
    func makeMuchRoom() throws(Errno) {
        // The first time round may only find that everything was used.
        if canEvict { sweep(evicting: 64, looking: 2 * clock.count) }
        guard budget.isSpent else { return }
        budget.reportSpent(canEvict: canEvict)
        throw .tooManyOpenFilesInSystem
    }

    private func sweep(evicting wanted: Int, looking looks: Int) {
        var evicted = 0
        for _ in 0..<looks {
            // Zero is nobody's place, and one is the root's.
            let place = clock.next()
            guard place > 1, let pin = slab.pin(at: place, marking: false) else { continue }
            if evict(pin) { evicted += 1 }
            unpin(pin)
            if evicted == wanted { return }
        }
    }

    private func evict(_ pin: Pin) -> Bool {
        let pins = pin.header
        guard !pin.wasEvicted, pins.pointee.pins.isPinnedOnce, !pins.pointee.pins.takeUse() else { return false }
        guard isNamed(pin), keepHandle(of: pin) else { return false }
        let descriptor = evictionLock.withLock { () -> FileDescriptor? in
            guard pin.header.pointee.pins.evict() else { return nil }
            defer { pin.header.pointee.descriptor.store(-1, ordering: .relaxed) }
            return pin.record.heldDescriptor
        }
        guard let descriptor else { return false }
        evictions.wrappingAdd(1, ordering: .relaxed)
        clock.clear(descriptor.rawValue)
        descriptor.closeOwned()
        budget.add(inodes: -1)
        return true
    }

    /// Whether the file still has a name.
    private func isNamed(_ pin: Pin) -> Bool {
        var status = CKernel.statx()
        do throws(Errno) {
            try pin.record.heldDescriptor.status(mask: UInt32(STATX_NLINK), into: &status)
        } catch {
            return false
        }
        return status.stx_nlink > 0
    }

    /// Sees to it that the inode's handle is in its record; false if there is none, or nothing to open it through.
    private func keepHandle(of pin: Pin) -> Bool {
        if pin.header.pointee.memory.load(ordering: .relaxed) != nil { return true }
        guard mounts.mount(pin.payload.key.mount) != nil else { return false }
        do throws(Errno) {
            let copy = try HostFileHandle(of: pin.record.heldDescriptor).copy()
            let isFirst = pin.header.pointee.memory.compareExchange(
                expected: nil, desired: copy, ordering: .acquiringAndReleasing
            ).exchanged
            if !isFirst { copy.deallocate() }
            return true
        } catch {
            return false
        }
    }

    // MARK: names that go away

    /// Pins and holds the file of that key, if it is evicted: it is about to lose a name, perhaps its last.
    func hold(_ key: InodeKey) -> Pin? {
        guard let pin = pinUnheld(key) else { return nil }
        do throws(Errno) {
            _ = try reopen(pin)
            return pin
        } catch {
            unpin(pin)
            return nil
        }
    }

    /// Pins the inode of that key, if it has no descriptor.
    func pinUnheld(_ key: InodeKey) -> Pin? {
        shard(of: key).pointee.withMap { map in
            guard let (index, record) = map.pointee.find(key, in: slab), record.header.pointee.pins.isEvicted else {
                return nil
            }
            return slab.pin(at: index)
        }
    }
}

/// What an inode is known by.
private enum Hold {
    case descriptor(FileDescriptor)
    case name(KnownNameCopy)
    case handle(UnsafeMutableRawPointer)
}

extension Slab<Inode>.Pin {
    /// To be asked under the table's lock of evictions. A handle stays for as long as the inode.
    fileprivate var hold: Hold {
        guard header.pointee.pins.isEvicted, let memory = header.pointee.memory.load(ordering: .acquiring) else {
            return .descriptor(record.heldDescriptor)
        }
        return KnownName(at: memory).map { .name(KnownNameCopy($0)) } ?? .handle(memory)
    }
}
