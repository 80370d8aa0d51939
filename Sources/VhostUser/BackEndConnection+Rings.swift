import CKernel
import GuestMemory
import Syscalls
import SystemPackage
import Virtio

extension BackEndConnection {
    /// The invalid-descriptor flag of SET_VRING_KICK, CALL and ERR.
    private static let noDescriptor: UInt64 = 0x100

    func setRingSize(_ state: vhost_vring_state) throws(ProtocolError) {
        let (number, ring) = try stoppedRing(state.index)
        let largest = device.queueSizes[number]
        guard state.num > 0, state.num <= UInt32(largest) else { throw .queueSize(state.num, largest: largest) }
        ring.size = state.num
        try update(number)
    }

    /// The front end may also send this while the ring runs, with the addresses that the ring has, to change whether its
    /// used ring is logged. Then the ring runs on.
    func setRingAddresses(_ addresses: vhost_vring_addr) throws(ProtocolError) {
        let (number, ring) = try ring(addresses.index)
        let isLogged = addresses.flags & 1 << UInt32(VHOST_VRING_F_LOG) != 0
        ring.log.usedRing = isLogged ? GuestAddress(addresses.log_guest_addr) : nil
        if let old = ring.addresses, old.isSamePlace(as: addresses) { return try update(number) }
        if ring.isRunning { stop(number) }
        ring.addresses = addresses
        try update(number)
    }

    /// VRING_KICK: the driver has made something available, and a ring that nothing has started yet is started.
    func kickRing(_ state: vhost_vring_state) throws(ProtocolError) {
        guard protocolFeatures.contains(.inBandNotifications) else { throw .notNegotiated }
        let (number, ring) = try ring(state.index)
        if ring.kick == nil {
            ring.isBroken = false
            ring.kick = .message
            try update(number)
        }
        ring.doorbell?.ring(lending: false)
    }

    func setRingBase(_ state: vhost_vring_state) throws(ProtocolError) {
        let (number, ring) = try stoppedRing(state.index)
        ring.base = state.num
        try update(number)
    }

    /// Stops the ring and says where it would go on; for a packed ring twice, as what is available and what is used
    /// meet where no chain is in flight.
    func getRingBase(_ state: vhost_vring_state) throws(ProtocolError) -> Reply {
        let (number, ring) = try ring(state.index)
        if ring.isRunning { stop(number) }
        ring.kick = nil
        ring.isBroken = false
        return Reply(bytes(of: vhost_vring_state(index: state.index, num: ring.base)))
    }

    func setRingKick(_ message: Message) throws(ProtocolError) {
        let (number, ring, descriptor) = try target(of: message)
        if ring.isRunning { stop(number) }
        ring.isBroken = false
        if let descriptor {
            ring.kick = .descriptor(descriptor)
        } else {
            ring.kick = .polling
        }
        try update(number)
    }

    func setRingSignal(_ message: Message, _ signal: KeyPath<Ring, RingSignal>) throws(ProtocolError) {
        let (_, ring, descriptor) = try target(of: message)
        do throws(Errno) {
            try ring[keyPath: signal].setTarget(descriptor?.descriptor)
        } catch {
            throw .descriptor(error)
        }
    }

    func setRingEnable(_ state: vhost_vring_state) throws(ProtocolError) {
        let (number, ring) = try ring(state.index)
        ring.isEnabled = state.num != 0
        try update(number)
    }

    private func stoppedRing(_ number: UInt32) throws(ProtocolError) -> (number: Int, ring: Ring) {
        let (number, ring) = try ring(number)
        guard !ring.isRunning else { throw .queueIsRunning(number) }
        return (number, ring)
    }

    /// Which ring a descriptor is for, and the descriptor where there is to be one.
    private func target(
        of message: Message
    ) throws(ProtocolError) -> (number: Int, ring: Ring, descriptor: SharedDescriptor?) {
        let word = try message.decode(UInt64.self)
        let (number, ring) = try ring(UInt32(word & 0xff))
        let hasDescriptor = word & Self.noDescriptor == 0
        try message.expectDescriptors(hasDescriptor ? 1 : 0)
        guard let descriptor = message.descriptors.takeFirst() else { return (number, ring, nil) }
        return (number, ring, SharedDescriptor(descriptor))
    }
}

extension vhost_vring_addr {
    fileprivate func isSamePlace(as other: Self) -> Bool {
        desc_user_addr == other.desc_user_addr && avail_user_addr == other.avail_user_addr
            && used_user_addr == other.used_user_addr
    }
}
