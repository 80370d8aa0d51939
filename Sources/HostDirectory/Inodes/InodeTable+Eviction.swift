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
    /// A descriptor of an inode, valid while it is pinned, and until it is ended.
    ///
    /// - Throws: ESTALE when it had none and has ceased to exist meanwhile, or is not what its name means any more.
    @inline(__always)
    func descriptor(of pin: Pin) throws(Errno) -> InodeDescriptor {
        pin.wasEvicted ? try reopen(pin) : InodeDescriptor(held: pin.record.heldDescriptor)
    }

    private func reopen(_ pin: Pin) throws(Errno) -> InodeDescriptor {
        switch evictionLock.withLock({ pin.hold }) {
        case .descriptor(let held): return InodeDescriptor(held: held)
        case .name(let name):
            do throws(Errno) {
                return keep(try open(name, of: pin.payload), for: pin)
            } catch .staleNFSFileHandle {
                // Who took the name away meanwhile has held the file before.
                guard case .descriptor(let held) = evictionLock.withLock({ pin.hold }) else {
                    throw .staleNFSFileHandle
                }
                return InodeDescriptor(held: held)
            }
        case .handle(let memory):
            guard let mount = mounts.mount(pin.payload.key.mount) else { throw .staleNFSFileHandle }
            return keep(try HostFileHandle.open(memory, on: mount.descriptor.descriptor, flags: O_PATH), for: pin)
        }
    }

    /// Holds a pinned inode from now on, if there is room. If not, the descriptor is good for one request, and the inode
    /// stays known by what it was known by.
    func keep(_ descriptor: consuming OwnedDescriptor, for pin: Pin) -> InodeDescriptor {
        guard hasRoomForOne() else { return InodeDescriptor(passing: descriptor) }
        restore(pin, descriptor)
        makeRoom()
        return InodeDescriptor(held: pin.record.heldDescriptor)
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

    /// Whether an inode can be held. Where none can be evicted, the last descriptors are for files to be opened with: what is
    /// known has to stay usable.
    ///
    /// - Parameter losingName: whether it is about to lose its name, by which it could be found as long as it has it.
    func hasRoomForOne(losingName: Bool = false) -> Bool {
        guard hasRoomForFile() else { return false }
        return canEvict || !(losingName ? budget.isSpentOnNameless : budget.isSpentOnInodes)
    }

    /// Whether there is a descriptor for a file to be opened with. Evicts what can be evicted, as far as it is needed.
    private func hasRoomForFile() -> Bool {
        guard budget.isSpent else { return true }
        // The first time round may only find that everything was used.
        if canEvict { sweep(evicting: 64, looking: 2 * clock.count) }
        return !budget.isSpent
    }

    /// - Throws: ENFILE when there is no descriptor for a file to be opened with.
    func makeRoomForFile() throws(Errno) {
        guard hasRoomForFile() else { throw spent() }
    }

    /// ENFILE, of which the log tells.
    func spent() -> Errno {
        budget.reportSpent(canEvict: canEvict)
        return .tooManyOpenFilesInSystem
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

    /// Pins the file of that key, if it is known, so that it is not evicted now, and holds it if it was: it is about to lose a
    /// name, perhaps its last.
    func hold(_ key: InodeKey) -> Pin? {
        guard let pin = pin(key) else { return nil }
        do throws(Errno) {
            try descriptor(of: pin).end()
            return pin
        } catch {
            unpin(pin)
            return nil
        }
    }

    /// Pins the inode of that key.
    func pin(_ key: InodeKey) -> Pin? {
        shard(of: key).pointee.withMap { map in
            map.pointee.find(key, in: slab).flatMap { slab.pin(at: $0.index) }
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
