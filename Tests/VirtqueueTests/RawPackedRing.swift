import GuestMemory
import Virtqueue

/// The bytes of a packed ring, written and read at the offsets that virtio 1.4, 2.8 gives: a peer that may do anything.
struct RawPackedRing {
    let queue: TestQueue
    private var descriptors: UnsafeMutableRawPointer { queue.memory.pointer(queue.configuration.descriptorArea) }
    private var driverArea: UnsafeMutableRawPointer { queue.memory.pointer(queue.configuration.driverArea) }
    private var deviceArea: UnsafeMutableRawPointer { queue.memory.pointer(queue.configuration.deviceArea) }

    struct Flags: OptionSet {
        var rawValue: UInt16
        static let next = Flags(rawValue: 1)
        static let write = Flags(rawValue: 2)
        static let indirect = Flags(rawValue: 4)
        static let available = Flags(rawValue: 1 << 7)
        static let used = Flags(rawValue: 1 << 15)
    }

    struct Descriptor: Equatable {
        var address = TestMemory.dataStart
        var length: UInt32 = 8
        var id: UInt16 = 0
        var flags: Flags = []
    }

    /// `off_wrap` and `flags`.
    struct Event: Equatable {
        var offset: UInt16 = 0
        var flags: UInt16 = 0

        static let enable = Event()
        static let disable = Event(flags: 1)
        static func at(_ index: UInt16, wrap: Bool) -> Event { Event(offset: index | (wrap ? 0x8000 : 0), flags: 2) }
    }

    static func write(_ descriptor: Descriptor, to pointer: UnsafeMutableRawPointer) {
        pointer.storeBytes(of: descriptor.address.rawValue.littleEndian, as: UInt64.self)
        pointer.storeBytes(of: descriptor.length.littleEndian, toByteOffset: 8, as: UInt32.self)
        pointer.storeBytes(of: descriptor.id.littleEndian, toByteOffset: 12, as: UInt16.self)
        pointer.storeBytes(of: descriptor.flags.rawValue.littleEndian, toByteOffset: 14, as: UInt16.self)
    }

    func set(_ index: Int, _ descriptor: Descriptor) { Self.write(descriptor, to: descriptors + 16 * index) }

    func descriptor(_ index: Int) -> Descriptor { Self.read(descriptors + 16 * index) }

    static func read(_ pointer: UnsafeMutableRawPointer) -> Descriptor {
        Descriptor(
            address: GuestAddress(pointer.loadUnaligned(as: UInt64.self)),
            length: pointer.loadUnaligned(fromByteOffset: 8, as: UInt32.self),
            id: pointer.loadUnaligned(fromByteOffset: 12, as: UInt16.self),
            flags: Flags(rawValue: pointer.loadUnaligned(fromByteOffset: 14, as: UInt16.self)))
    }

    /// The ownership flags at a free-running position, of which each lap has the other wrap counter (virtio 1.4, 2.8.1).
    private func ownership(_ position: Int) -> (found: Flags, isFirst: Bool) {
        let size = Int(queue.configuration.size)
        let flags = descriptor(position % size).flags.intersection([.available, .used])
        return (flags, position / size % 2 == 0)
    }

    func isAvailable(_ position: Int) -> Bool {
        let (found, isFirst) = ownership(position)
        return found == (isFirst ? .available : .used)
    }

    func isUsed(_ position: Int) -> Bool {
        let (found, isFirst) = ownership(position)
        return found == (isFirst ? [.available, .used] : [])
    }

    /// Writes descriptors from slot 0 on as a driver in its first lap does.
    func makeAvailable(_ list: [Descriptor]) {
        for (index, descriptor) in list.enumerated() {
            var descriptor = descriptor
            descriptor.flags.insert(.available)
            set(index, descriptor)
        }
    }

    /// Returns a buffer as a device in its first lap does, or one that it does not have.
    func use(_ id: UInt16, at index: Int, written: UInt32?) {
        let flags: Flags = written == nil ? [.available, .used] : [.available, .used, .write]
        set(index, Descriptor(address: GuestAddress(.max), length: written ?? 0xdead_beef, id: id, flags: flags))
    }

    /// Writes a table where the queue's tables lie, and gives the descriptor that names it.
    func table(_ entries: [Descriptor], at offset: Int = 0) -> Descriptor {
        let start = TestMemory.tableStart + UInt64(offset)
        for (index, entry) in entries.enumerated() {
            let pointer = queue.memory.pointer(start) + 16 * index
            withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { bytes in
                Self.write(entry, to: bytes.baseAddress!)
                pointer.copyMemory(from: bytes.baseAddress!, byteCount: 16)
            }
        }
        return Descriptor(address: start, length: UInt32(16 * entries.count), flags: .indirect)
    }

    /// What the driver wants to be told.
    var driverEvent: Event {
        get { Self.event(driverArea) }
        nonmutating set { Self.set(newValue, driverArea) }
    }

    /// What the device wants to be told.
    var deviceEvent: Event {
        get { Self.event(deviceArea) }
        nonmutating set { Self.set(newValue, deviceArea) }
    }

    private static func event(_ pointer: UnsafeMutableRawPointer) -> Event {
        Event(offset: pointer.load(as: UInt16.self), flags: pointer.load(fromByteOffset: 2, as: UInt16.self))
    }

    private static func set(_ event: Event, _ pointer: UnsafeMutableRawPointer) {
        pointer.storeBytes(of: event.offset, as: UInt16.self)
        pointer.storeBytes(of: event.flags, toByteOffset: 2, as: UInt16.self)
    }
}
