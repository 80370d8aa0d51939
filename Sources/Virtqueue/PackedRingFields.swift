import CKernel
import GuestMemory

/// A place in a packed ring: a descriptor, and the wrap counter of the lap (virtio 1.4, 2.8.1).
struct PackedPosition: Equatable, Sendable {
    private(set) var index: UInt16
    /// The ring wrap counter: true in the first lap, then the other way round in each further one.
    private(set) var wrap: Bool

    /// As `off_wrap` of an event suppression structure holds it: the wrap counter in bit 15 (virtio 1.4, 2.8.14).
    init(rawValue: UInt16) {
        index = rawValue & 0x7fff
        wrap = rawValue & 0x8000 != 0
    }

    /// The first descriptor in the first lap.
    static let start = PackedPosition(rawValue: 0x8000)

    var rawValue: UInt16 { index | (wrap ? 0x8000 : 0) }

    /// Goes `count` descriptors on, at most a lap, in a ring of `size`.
    mutating func advance(by count: UInt16, size: UInt16) {
        index += count
        guard index >= size else { return }
        index -= size
        wrap.toggle()
    }

    /// The flags that make a descriptor here available: AVAIL as the wrap counter, USED its inverse.
    var availableFlags: UInt16 { wrap ? PackedDescriptor.available : PackedDescriptor.used }
    /// The flags that make a descriptor here used: both as the wrap counter.
    var usedFlags: UInt16 { wrap ? PackedDescriptor.available | PackedDescriptor.used : 0 }
}

/// A descriptor of a packed queue, `struct vring_packed_desc` of linux/virtio_ring.h (virtio 1.4, 2.8.13).
struct PackedDescriptor {
    static let available = UInt16(1) << VRING_PACKED_DESC_F_AVAIL
    static let used = UInt16(1) << VRING_PACKED_DESC_F_USED
    static let ownership = available | used

    var address: GuestAddress
    var length: UInt32
    var id: UInt16
    var flags: UInt16

    init(address: GuestAddress, length: UInt32, id: UInt16, flags: UInt16) {
        self.address = address
        self.length = length
        self.id = id
        self.flags = flags
    }

    /// Reads a descriptor at any address, each byte once: the copy is what is checked and used.
    init(readingFrom pointer: UnsafeMutableRawPointer) {
        // The bits are laid out as those of a split descriptor, `id` and `flags` in the places of `flags` and `next`.
        let isAligned = UInt(bitPattern: pointer) % 8 == 0
        let raw =
            unsafe isAligned ? SplitDescriptor(readingFrom: pointer) : SplitDescriptor(readingUnalignedFrom: pointer)
        self.init(address: raw.address, length: raw.length, id: raw.flags, flags: raw.next)
    }

    /// Writes all but the flags, which whoever looks on goes by.
    func writeBody(to pointer: UnsafeMutableRawPointer) {
        unsafe SharedUInt64(at: pointer).store(address.rawValue)
        unsafe SharedUInt32(at: pointer + 8).store(length)
        unsafe SharedUInt16(at: pointer + 12).store(id)
    }

    var hasNext: Bool { flags & UInt16(VRING_DESC_F_NEXT) != 0 }
    var isWritable: Bool { flags & UInt16(VRING_DESC_F_WRITE) != 0 }
    var isIndirect: Bool { flags & UInt16(VRING_DESC_F_INDIRECT) != 0 }
}

/// An event suppression structure: what one side wants to be told (virtio 1.4, 2.8.14). Its two fields are always read
/// and written together.
struct EventSuppression: @unchecked Sendable {
    private let word: SharedUInt32

    init(at address: UnsafeMutableRawPointer) { word = unsafe SharedUInt32(at: address) }

    /// Asks to be told of every descriptor.
    func enable() { word.store(UInt32(VRING_PACKED_EVENT_FLAG_ENABLE) << 16) }

    /// Asks to be told of nothing.
    func disable() { word.store(UInt32(VRING_PACKED_EVENT_FLAG_DISABLE) << 16) }

    /// Asks to be told when the descriptor at `position` changes hands. Needs VIRTIO_F_EVENT_IDX.
    func enable(at position: PackedPosition) {
        word.store(UInt32(VRING_PACKED_EVENT_FLAG_DESC) << 16 | UInt32(position.rawValue))
    }

    /// Whether the other side wants to be told that the `count` descriptors before `position` changed hands.
    func wants(
        _ count: UInt16, before position: PackedPosition, size: UInt16, hasEventIndex: Bool
    ) -> Bool {
        let wish = word.load()
        let flags = wish >> 16 & 3
        if flags == UInt32(VRING_PACKED_EVENT_FLAG_DISABLE) { return false }
        guard flags == UInt32(VRING_PACKED_EVENT_FLAG_DESC), hasEventIndex else { return true }
        let event = PackedPosition(rawValue: UInt16(truncatingIfNeeded: wish))
        // In the other lap an index counts from a ring's length earlier; then the two compare as free-running ones do.
        let index = event.wrap == position.wrap ? event.index : event.index &- size
        return crossesEvent(event: index, new: position.index, old: position.index &- count)
    }
}

/// Where the fields of a packed virtqueue are in this process, checked once at set-up.
@safe struct PackedRingFields: @unchecked Sendable {
    let size: UInt16
    let features: RingFeatures
    private let descriptors: UnsafeMutableRawPointer
    /// Written by the driver: the interrupts it wants.
    let driverEvent: EventSuppression
    /// Written by the device: the kicks it wants.
    let deviceEvent: EventSuppression

    init(_ configuration: QueueConfiguration, memory: GuestMemoryMap) throws(RingError) {
        size = configuration.size
        features = configuration.features
        // Any size up to 32768, not only powers of two (virtio 1.4, 2.8.10.1).
        guard size > 0, size <= 32768 else { throw .badSize(size) }
        let layout = PackedLayout(size: size)
        unsafe descriptors = try unsafe memory.locateRing(
            configuration.descriptorArea, layout.descriptorRingSize, alignment: 16)
        driverEvent = unsafe EventSuppression(
            at: try memory.locateRing(configuration.driverArea, layout.eventSuppressionSize, alignment: 4))
        deviceEvent = unsafe EventSuppression(
            at: try memory.locateRing(configuration.deviceArea, layout.eventSuppressionSize, alignment: 4))
    }

    func pointer(_ position: PackedPosition) -> UnsafeMutableRawPointer {
        unsafe descriptors + 16 * Int(position.index)
    }

    func flags(_ position: PackedPosition) -> SharedUInt16 { unsafe SharedUInt16(at: pointer(position) + 14) }

    var hasEventIndex: Bool { features.contains(.eventIndex) }
}
