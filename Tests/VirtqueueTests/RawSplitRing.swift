import CKernel
import GuestMemory
import Virtqueue

/// The bytes of a split ring, written and read at the offsets that virtio 1.4, 2.7 gives: a peer that may do anything.
struct RawSplitRing {
    let queue: TestQueue
    private var size: Int { Int(queue.configuration.size) }
    private var descriptors: UnsafeMutableRawPointer { queue.memory.pointer(queue.configuration.descriptorArea) }
    private var available: UnsafeMutableRawPointer { queue.memory.pointer(queue.configuration.driverArea) }
    private var used: UnsafeMutableRawPointer { queue.memory.pointer(queue.configuration.deviceArea) }

    struct Flags: OptionSet {
        var rawValue: UInt16
        static let next = Flags(rawValue: 1)
        static let write = Flags(rawValue: 2)
        static let indirect = Flags(rawValue: 4)
    }

    struct Descriptor {
        var address: GuestAddress
        var length: UInt32
        var flags: Flags = []
        var next: UInt16 = 0
    }

    static func write(_ descriptor: Descriptor, to pointer: UnsafeMutableRawPointer) {
        pointer.storeBytes(of: descriptor.address.rawValue.littleEndian, as: UInt64.self)
        pointer.storeBytes(of: descriptor.length.littleEndian, toByteOffset: 8, as: UInt32.self)
        pointer.storeBytes(of: descriptor.flags.rawValue.littleEndian, toByteOffset: 12, as: UInt16.self)
        pointer.storeBytes(of: descriptor.next.littleEndian, toByteOffset: 14, as: UInt16.self)
    }

    static func read(_ pointer: UnsafeMutableRawPointer) -> Descriptor {
        Descriptor(
            address: GuestAddress(pointer.loadUnaligned(as: UInt64.self)),
            length: pointer.loadUnaligned(fromByteOffset: 8, as: UInt32.self),
            flags: Flags(rawValue: pointer.loadUnaligned(fromByteOffset: 12, as: UInt16.self)),
            next: pointer.loadUnaligned(fromByteOffset: 14, as: UInt16.self))
    }

    func descriptor(_ index: UInt16) -> Descriptor { Self.read(descriptors + 16 * Int(index)) }
    func set(_ index: Int, _ descriptor: Descriptor) { Self.write(descriptor, to: descriptors + 16 * index) }

    /// Writes a table where the queue's tables lie, and gives the descriptor that names it.
    func table(_ entries: [Descriptor], at offset: Int = 0) -> Descriptor {
        let start = TestMemory.tableStart + UInt64(offset)
        for (index, entry) in entries.enumerated() {
            Self.write(entry, to: queue.memory.pointer(start) + 16 * index)
        }
        return Descriptor(address: start, length: UInt32(16 * entries.count), flags: .indirect)
    }

    /// Makes the chain at `head` the next available one.
    func makeAvailable(_ head: UInt16) {
        let index = availableIndex
        setAvailableEntry(index, head)
        setAvailableIndex(index &+ 1)
    }

    func availableEntry(_ index: UInt16) -> UInt16 {
        available.load(fromByteOffset: 4 + 2 * (Int(index) % size), as: UInt16.self)
    }
    func setAvailableEntry(_ index: UInt16, _ head: UInt16) {
        available.storeBytes(of: head, toByteOffset: 4 + 2 * (Int(index) % size), as: UInt16.self)
    }
    var availableIndex: UInt16 { available.load(fromByteOffset: 2, as: UInt16.self) }
    func setAvailableIndex(_ index: UInt16) { available.storeBytes(of: index, toByteOffset: 2, as: UInt16.self) }
    var availableFlags: UInt16 { available.load(as: UInt16.self) }
    func setAvailableFlags(_ flags: UInt16) { available.storeBytes(of: flags, as: UInt16.self) }
    func setUsedEvent(_ event: UInt16) { available.storeBytes(of: event, toByteOffset: 4 + 2 * size, as: UInt16.self) }
    var usedEvent: UInt16 { available.load(fromByteOffset: 4 + 2 * size, as: UInt16.self) }

    /// Returns a chain as a device does, or one that it does not have.
    func use(_ id: UInt32, written: UInt32) {
        let index = usedIndex
        setUsedEntry(index, id: id, written: written)
        setUsedIndex(index &+ 1)
    }

    func usedEntry(_ index: UInt16) -> (id: UInt32, written: UInt32) {
        let entry = used + 4 + 8 * (Int(index) % size)
        return (entry.load(as: UInt32.self), entry.load(fromByteOffset: 4, as: UInt32.self))
    }
    func setUsedEntry(_ index: UInt16, id: UInt32, written: UInt32) {
        let entry = used + 4 + 8 * (Int(index) % size)
        entry.storeBytes(of: id, as: UInt32.self)
        entry.storeBytes(of: written, toByteOffset: 4, as: UInt32.self)
    }

    var usedIndex: UInt16 { used.load(fromByteOffset: 2, as: UInt16.self) }
    func setUsedIndex(_ index: UInt16) { used.storeBytes(of: index, toByteOffset: 2, as: UInt16.self) }
    var usedFlags: UInt16 { used.load(as: UInt16.self) }
    func setUsedFlags(_ flags: UInt16) { used.storeBytes(of: flags, as: UInt16.self) }
    var availableEvent: UInt16 { used.load(fromByteOffset: 4 + 8 * size, as: UInt16.self) }
    func setAvailableEvent(_ event: UInt16) {
        used.storeBytes(of: event, toByteOffset: 4 + 8 * size, as: UInt16.self)
    }

    var descriptorBytes: UnsafeMutableRawBufferPointer { .init(start: descriptors, count: 16 * size) }
    /// `flags`, `idx`, the ring and `used_event`.
    var availableBytes: UnsafeMutableRawBufferPointer { .init(start: available, count: 6 + 2 * size) }
    /// `flags`, `idx`, the ring and `avail_event`.
    var usedBytes: UnsafeMutableRawBufferPointer { .init(start: used, count: 6 + 8 * size) }
}
