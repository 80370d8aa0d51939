import GuestMemory
import Syscalls
import SystemPackage

/// The guest's memory as the front end has shared it (vhost-user, "Memory access"). Each change makes a new map; who
/// works with the old one keeps its memory.
struct MemoryTable {
    private struct Entry {
        let description: MemoryRegionDescription
        let region: GuestRegion
    }

    /// Regions in a SET_MEM_TABLE at most.
    static let largestTable: UInt32 = 8
    /// Regions at most, where they come one by one (GET_MAX_MEM_SLOTS).
    static let slotCount = 509
    private static let pageSize: UInt64 = 4096

    private var entries: [Entry] = []
    private(set) var map = GuestMemoryMap(regions: [])!

    /// Replaces all of it: SET_MEM_TABLE.
    mutating func replace(
        _ descriptions: [MemoryRegionDescription], _ descriptors: DescriptorList
    ) throws(ProtocolError) {
        var table = MemoryTable()
        for description in descriptions {
            guard let descriptor = descriptors.takeFirst() else {
                throw .descriptorCount(descriptors.count, expected: descriptions.count)
            }
            try table.append(description, descriptor)
        }
        try table.rebuild()
        self = table
    }

    /// ADD_MEM_REG.
    mutating func add(
        _ description: MemoryRegionDescription, _ descriptor: consuming OwnedDescriptor
    ) throws(ProtocolError) {
        guard entries.count < Self.slotCount else { throw .regionCount(UInt32(entries.count)) }
        var table = self
        try table.append(description, descriptor)
        try table.rebuild()
        self = table
    }

    /// REM_MEM_REG.
    mutating func remove(_ description: MemoryRegionDescription) throws(ProtocolError) {
        guard let index = entries.firstIndex(where: { $0.description.isSameRegion(as: description) }) else {
            throw .noSuchRegion
        }
        entries.remove(at: index)
        try rebuild()
    }

    private mutating func append(
        _ description: MemoryRegionDescription, _ descriptor: consuming OwnedDescriptor
    ) throws(ProtocolError) {
        try check(description)
        do throws(Errno) {
            guard try Self.isInside(description, file: descriptor.descriptor) else {
                throw Errno.outOfRange
            }
            let region = try GuestRegion(
                start: GuestAddress(description.guestAddress), mapping: descriptor.descriptor,
                offset: Int(description.fileOffset), size: Int(description.size), isForeign: true)
            entries.append(Entry(description: description, region: region))
        } catch {
            throw error == .outOfRange ? .regionBeyondFile : .mapping(error)
        }
    }

    /// Whether the numbers make sense by themselves and beside the other regions'.
    private func check(_ new: MemoryRegionDescription) throws(ProtocolError) {
        guard new.size > 0, new.size <= 1 << 56, new.fileOffset <= 1 << 56 else { throw .regionBeyondFile }
        guard new.fileOffset % Self.pageSize == 0 else { throw .regionAlignment }
        let hasGuestEnd = !new.guestAddress.addingReportingOverflow(new.size).overflow
        let hasUserEnd = !new.userAddress.addingReportingOverflow(new.size).overflow
        guard hasGuestEnd, hasUserEnd else { throw .regionsOverlap }
        for old in entries.lazy.map(\.description) where Self.overlap(old, new) { throw .regionsOverlap }
    }

    private static func overlap(_ first: MemoryRegionDescription, _ second: MemoryRegionDescription) -> Bool {
        func meet(_ start: UInt64, _ other: UInt64) -> Bool {
            start < other + second.size && other < start + first.size
        }
        return meet(first.guestAddress, second.guestAddress) || meet(first.userAddress, second.userAddress)
    }

    /// What lies beyond the end of a file can be mapped, but each access is a fault. Later the peer may still shrink
    /// the file: see ``GuestMemory/GuestRegion``.
    private static func isInside(
        _ description: MemoryRegionDescription, file: FileDescriptor
    ) throws(Errno) -> Bool {
        description.fileOffset + description.size <= UInt64(try file.fileSize())
    }

    private mutating func rebuild() throws(ProtocolError) {
        guard let new = GuestMemoryMap(regions: entries.map(\.region)) else { throw .regionsOverlap }
        map = new
    }

    /// The guest address of what the front end has at `address`; ring addresses come so (vhost-user, "A vring address
    /// description").
    func guestAddress(ofUser address: UInt64) throws(ProtocolError) -> GuestAddress {
        for description in entries.lazy.map(\.description) {
            // Wraps to a huge number for an address below the region, which the comparison then refuses.
            let offset = address &- description.userAddress
            if offset < description.size { return GuestAddress(description.guestAddress + offset) }
        }
        throw .addressOutsideMemory(address)
    }
}
