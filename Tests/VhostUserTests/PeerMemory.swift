import CKernel
import Glibc
import Syscalls
import SystemPackage

@testable import VhostUser

/// Memory of a front end's that it may shrink: a file without seals, mapped here, too.
final class PeerMemory {
    static let guestAddress: UInt64 = 0x10_0000
    static let userAddress: UInt64 = 0x7000_0000

    let size: Int
    private let file: OwnedDescriptor
    let base: UnsafeMutableRawPointer

    init(size: Int) throws {
        self.size = size
        file = OwnedDescriptor(owning: FileDescriptor(rawValue: memfd_create("peer", UInt32(MFD_CLOEXEC))))
        try file.descriptor.truncate(to: size)
        base = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.rawValue, 0)!
    }

    deinit { munmap(base, size) }

    var descriptor: FileDescriptor { file.descriptor }

    func resize(to size: Int) throws { try file.descriptor.truncate(to: size) }

    var description: MemoryRegionDescription {
        MemoryRegionDescription(
            guestAddress: Self.guestAddress, size: UInt64(size), userAddress: Self.userAddress, fileOffset: 0)
    }

    /// A memory table with this alone.
    var table: [UInt8] { bytes(of: MemoryTableHead(regionCount: 1)) + bytes(of: description) }

    /// Where the parts of ring `index` are: a page each for descriptors, available and used ring.
    static func addresses(_ index: UInt32) -> vhost_vring_addr {
        var addresses = vhost_vring_addr()
        addresses.index = index
        addresses.desc_user_addr = userAddress + UInt64(index) * 0x3000
        addresses.avail_user_addr = addresses.desc_user_addr + 0x1000
        addresses.used_user_addr = addresses.desc_user_addr + 0x2000
        return addresses
    }

    /// Makes `count` chains available in split ring `index`, whatever its descriptors hold.
    func publish(_ index: UInt32, count: UInt16) {
        let available = base + Int(index) * 0x3000 + 0x1000
        let old = (available + 2).load(as: UInt16.self)
        (available + 2).storeBytes(of: old &+ count, as: UInt16.self)
    }
}

extension RawFrontEnd {
    /// Brings a ring of 64 entries up in `memory`, all by the rules.
    func start(_ index: UInt32, _ kick: FileDescriptor) {
        send(.setRingSize, bytes(of: vhost_vring_state(index: index, num: 64)))
        send(.setRingBase, bytes(of: vhost_vring_state(index: index, num: 0)))
        send(.setRingAddresses, bytes(of: PeerMemory.addresses(index)))
        send(.setRingKick, bytes(of: UInt64(index)), [kick])
        send(.setRingEnable, bytes(of: vhost_vring_state(index: index, num: 1)))
    }
}
