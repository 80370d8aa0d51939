import CKernel
import GuestMemory

/// Where the fields of a split virtqueue are in this process, checked once at set-up.
@safe struct SplitRingFields: @unchecked Sendable {
    let size: UInt16
    let features: RingFeatures
    private let descriptors: UnsafeMutableRawPointer
    private let available: UnsafeMutableRawPointer
    private let used: UnsafeMutableRawPointer

    init(_ configuration: QueueConfiguration, memory: GuestMemoryMap) throws(RingError) {
        size = configuration.size
        features = configuration.features
        guard size > 0, size <= 32768, size & (size - 1) == 0 else { throw .badSize(size) }
        let layout = SplitLayout(size: size)
        unsafe descriptors = try unsafe memory.locateRing(
            configuration.descriptorArea, layout.descriptorTableSize, alignment: 16)
        unsafe available = try unsafe memory.locateRing(
            configuration.driverArea, layout.availableRingSize, alignment: 2)
        unsafe used = try unsafe memory.locateRing(configuration.deviceArea, layout.usedRingSize, alignment: 4)
    }

    private func wrapped(_ index: UInt16) -> Int { Int(index & (size - 1)) }

    // The available ring: flags, idx, ring[size], used_event (virtio 1.4, 2.7.6).
    var availableFlags: SharedUInt16 { unsafe SharedUInt16(at: available) }
    var availableIndex: SharedUInt16 { unsafe SharedUInt16(at: available + 2) }
    func availableEntry(_ index: UInt16) -> SharedUInt16 { unsafe SharedUInt16(at: available + 4 + 2 * wrapped(index)) }
    var usedEvent: SharedUInt16 { unsafe SharedUInt16(at: available + 4 + 2 * Int(size)) }

    // The used ring: flags, idx, ring[size] of (id, len), avail_event (virtio 1.4, 2.7.8).
    var usedFlags: SharedUInt16 { unsafe SharedUInt16(at: used) }
    var usedIndex: SharedUInt16 { unsafe SharedUInt16(at: used + 2) }
    func usedEntry(_ index: UInt16) -> (id: SharedUInt32, length: SharedUInt32) {
        let entry = unsafe used + 4 + 8 * wrapped(index)
        return unsafe (SharedUInt32(at: entry), SharedUInt32(at: entry + 4))
    }
    var availableEvent: SharedUInt16 { unsafe SharedUInt16(at: used + 4 + 8 * Int(size)) }

    /// A copy of a descriptor. `index` is below the queue size.
    func descriptor(_ index: UInt16) -> SplitDescriptor {
        unsafe SplitDescriptor(readingFrom: descriptors + 16 * Int(index))
    }

    func setDescriptor(_ index: UInt16, _ descriptor: SplitDescriptor) {
        unsafe descriptor.write(to: descriptors + 16 * Int(index))
    }
}

extension GuestMemoryMap {
    /// Where a part of a ring is, if all of it is in one region and aligned (virtio 1.4, 2.7 and 2.8.10.1).
    func locateRing(
        _ address: GuestAddress, _ count: Int, alignment: UInt64
    ) throws(RingError) -> UnsafeMutableRawPointer {
        guard address.rawValue % alignment == 0, let base = unsafe translate(address, count: UInt64(count)),
            UInt64(UInt(bitPattern: base)) % alignment == 0
        else { throw .ringOutsideMemory }
        return unsafe base
    }
}

/// A descriptor of a split queue, `struct vring_desc` of linux/virtio_ring.h (virtio 1.4, 2.7.5).
struct SplitDescriptor {
    var address: GuestAddress
    var length: UInt32
    var flags: UInt16
    var next: UInt16

    init(address: GuestAddress, length: UInt32, flags: UInt16, next: UInt16) {
        self.address = address
        self.length = length
        self.flags = flags
        self.next = next
    }

    /// Copies 16 shared bytes, each once: the copy is what is checked and used.
    init(readingFrom pointer: UnsafeMutableRawPointer) {
        unsafe self.init(SharedUInt64(at: pointer).load(), SharedUInt64(at: pointer + 8).load())
    }

    /// As ``init(readingFrom:)``, at any address: an indirect table need not be aligned (virtio 1.4, 2.7.5.3).
    init(readingUnalignedFrom pointer: UnsafeMutableRawPointer) {
        unsafe self.init(SharedUInt64.loadUnaligned(at: pointer), SharedUInt64.loadUnaligned(at: pointer + 8))
    }

    private init(_ address: UInt64, _ rest: UInt64) {
        self.address = GuestAddress(address)
        length = UInt32(truncatingIfNeeded: rest)
        flags = UInt16(truncatingIfNeeded: rest >> 32)
        next = UInt16(truncatingIfNeeded: rest >> 48)
    }

    func write(to pointer: UnsafeMutableRawPointer) {
        unsafe SharedUInt64(at: pointer).store(address.rawValue)
        unsafe SharedUInt64(at: pointer + 8).store(UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48)
    }

    var hasNext: Bool { flags & UInt16(VRING_DESC_F_NEXT) != 0 }
    var isWritable: Bool { flags & UInt16(VRING_DESC_F_WRITE) != 0 }
    var isIndirect: Bool { flags & UInt16(VRING_DESC_F_INDIRECT) != 0 }
}
