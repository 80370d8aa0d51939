import CKernel
import GuestMemory
import VirtioTestSupport

/// Writes descriptor chains into a queue that no correct driver would write, most of them around a request that is one.
struct ChainForge {
    /// Where buffers and tables of forged chains lie. Nothing else does.
    let arena: GuestAddress
    static let arenaSize = 64 << 10
    private static let nothing = RawDescriptor(address: 0, length: 0, flags: 0, next: 0)

    private let memory: MockGuestMemory
    private let queue: MockQueue

    init(_ driver: MockDriver) {
        memory = driver.memory
        queue = driver.requests
        arena = memory.allocate(Self.arenaSize, alignment: 4096)
        memory.fill(0x5A, at: arena, count: Self.arenaSize)
    }

    /// A chain as it was laid out.
    struct Forged {
        var head: UInt16
        /// Every part of the arena that a descriptor offers for writing.
        var writable: [Range<UInt64>] = []
    }

    /// Lays out a chain that is wrong in one or more ways, or just odd. Nothing else is in flight.
    func forge(_ request: [UInt8], _ generator: inout SeededGenerator) -> Forged {
        var descriptors = place(request, &generator)
        for _ in 0..<generator.pick([0, 0, 0, 0, 0, 0, 0, 1, 1, 3]) {
            spoil(&descriptors[Int.random(in: descriptors.indices, using: &generator)], &generator)
        }
        for index in 0..<queue.ring.size { queue.ring.setDescriptor(index, Self.nothing) }
        let usesTable = generator.once(in: 3)
        var head = Self.nothing
        if usesTable {
            head = writeTable(descriptors, &generator)
            if generator.once(in: 4) { spoil(&head, &generator) }
            queue.ring.setDescriptor(0, head)
        } else {
            for (index, descriptor) in descriptors.enumerated() { queue.ring.setDescriptor(UInt16(index), descriptor) }
        }
        var forged = Forged(head: 0)
        forged.writable = (descriptors + [head]).filter { $0.flags & RawDescriptor.write != 0 }.map(offered)
        return forged
    }

    private func offered(_ descriptor: RawDescriptor) -> Range<UInt64> {
        let (end, overflow) = descriptor.address.addingReportingOverflow(UInt64(descriptor.length))
        return descriptor.address..<(overflow ? .max : end)
    }

    /// A right chain: the request in some pieces, and room for a reply in some more.
    private func place(_ request: [UInt8], _ generator: inout SeededGenerator) -> [RawDescriptor] {
        let request = Array(request.prefix(16 << 10))
        memory.write(request, at: arena)
        var descriptors: [RawDescriptor] = []
        var offset = 0
        while offset < request.count {
            let count = min(request.count - offset, generator.pick([1, 7, 40, 56, 4096]))
            let last = descriptors.count == 12
            let length = last ? request.count - offset : count
            descriptors.append(
                RawDescriptor(
                    address: arena.rawValue + UInt64(offset), length: UInt32(length), flags: RawDescriptor.next, next: 0
                ))
            offset += length
        }
        for index in 0..<generator.pick([0, 1, 2, 3]) {
            let length = generator.pick([0, 1, 16, 144, 8192] as [UInt32])
            var address = arena.rawValue + UInt64((32 + 8 * index) << 10)
            // Up to the last byte before the guard page; or over the request itself.
            if generator.once(in: 4) { address = memory.end.rawValue - UInt64(length) }
            if generator.once(in: 8) { address = arena.rawValue }
            descriptors.append(
                RawDescriptor(
                    address: address, length: length, flags: RawDescriptor.write | RawDescriptor.next, next: 0))
        }
        if descriptors.isEmpty { descriptors = [RawDescriptor(address: 0, length: 0, flags: 0, next: 0)] }
        for index in descriptors.indices { descriptors[index].next = UInt16(index + 1) }
        descriptors[descriptors.count - 1].flags &= ~RawDescriptor.next
        return descriptors
    }

    private func spoil(_ descriptor: inout RawDescriptor, _ generator: inout SeededGenerator) {
        let end = memory.end.rawValue
        switch generator.next() % 8 {
        case 0:
            descriptor.address = generator.pick(
                [0, 1, .max, .max - 15, end, end - 1, end - 40, MockGuestMemory.start.rawValue - 1, generator.next()])
        case 1:
            descriptor.length = generator.pick([0, 1, .max, 1 << 31, .max - 15, 1 << 23, 0xFFFF_F000])
        case 2: descriptor.flags = UInt16.random(in: 0...7, using: &generator)
        case 3: descriptor.flags = UInt16(truncatingIfNeeded: generator.next())
        case 4: descriptor.next = generator.pick([0, 1, 2, 63, 64, 65, .max, 1 << 15])
        case 5: descriptor.flags ^= RawDescriptor.indirect
        case 6: descriptor.flags ^= RawDescriptor.write
        default: descriptor.flags ^= RawDescriptor.next
        }
        // The rings lie before the arena: what a device is told to write there is the driver's own fault.
        if descriptor.flags & RawDescriptor.write != 0, offered(descriptor).overlaps(0..<arena.rawValue) {
            descriptor.address = end - 1
        }
    }

    private func writeTable(_ entries: [RawDescriptor], _ generator: inout SeededGenerator) -> RawDescriptor {
        let table = arena + UInt64(60 << 10) + generator.pick([0, 0, 0, 8, 1])
        // The device may be told of one entry more, and is not to find one of an earlier table there.
        memory.write((entries + [Self.nothing]).flatMap(\.bytes), at: table)
        let length = UInt32(16 * entries.count)
        return RawDescriptor(
            address: table.rawValue,
            length: generator.once(in: 8) ? generator.pick([0, 8, 15, length + 16, .max]) : length,
            flags: RawDescriptor.indirect | (generator.once(in: 8) ? RawDescriptor.write : 0), next: 0)
    }
}
