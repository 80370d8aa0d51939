import CKernel
import Syscalls
import SystemPackage
import Virtio

extension BackEndConnection {
    /// Does what a message asks for; one line a message, more where it has more to say (vhost-user, "Front-end message
    /// types").
    ///
    /// - Returns: the payload of the message's own reply, if it has one.
    func handle(_ code: RequestCode, _ message: Message) throws(ProtocolError) -> Reply? {
        try checkDescriptors(code, message)
        switch code {
        case .getFeatures: return try get(message, offeredFeatures.rawValue)
        case .setFeatures: try setFeatures(FeatureBits(rawValue: message.decode(UInt64.self)))
        case .getProtocolFeatures: return try get(message, ProtocolFeatures.offered.rawValue)
        case .setProtocolFeatures: try setProtocolFeatures(message.decode(UInt64.self))
        case .getQueueCount: return try get(message, UInt64(rings.count))
        case .getMemorySlotCount: return try get(message, UInt64(MemoryTable.slotCount))
        case .setOwner: try message.expectPayload(0)
        case .resetOwner: try resetOwner(message)
        case .resetDevice: try resetDevice(message)
        case .getStatus: return try get(message, UInt64(status.rawValue))
        case .setStatus: try setStatus(message.decode(UInt64.self))
        case .getConfiguration: return try getConfiguration(message)
        case .setConfiguration: try setConfiguration(message)
        case .setMemoryTable: try setMemoryTable(message)
        case .addMemoryRegion: try addMemoryRegion(message)
        case .removeMemoryRegion: try removeMemoryRegion(message)
        case .setLogBase: return try setLog(message)
        case .setLogDescriptor: try setLogSignal(message)
        case .getInflight: return try makeInflight(message)
        case .setInflight: try setInflight(message)
        case .setBackEndConnection: try setBackEndConnection(message)
        case .kickRing: try kickRing(message.decode(vhost_vring_state.self))
        case .setRingSize: try setRingSize(message.decode(vhost_vring_state.self))
        case .setRingAddresses: try setRingAddresses(message.decode(vhost_vring_addr.self))
        case .setRingBase: try setRingBase(message.decode(vhost_vring_state.self))
        case .getRingBase: return try getRingBase(message.decode(vhost_vring_state.self))
        case .setRingKick: try setRingKick(message)
        case .setRingCall: try setRingSignal(message, \.call)
        case .setRingError: try setRingSignal(message, \.error)
        case .setRingEnable: try setRingEnable(message.decode(vhost_vring_state.self))
        }
        return nil
    }

    /// Who sends descriptors with a message that has none has lost count of them.
    private func checkDescriptors(_ code: RequestCode, _ message: Message) throws(ProtocolError) {
        switch code {
        // Their number depends on the payload.
        case .setMemoryTable, .setRingKick, .setRingCall, .setRingError: return
        case .setLogBase, .setLogDescriptor, .setInflight, .setBackEndConnection: try message.expectDescriptors(1)
        case .addMemoryRegion: try message.expectDescriptors(1)
        // Some front ends send one, which is to be closed and no more (vhost-user, VHOST_USER_REM_MEM_REG).
        case .removeMemoryRegion: if message.descriptors.count > 1 { try message.expectDescriptors(0) }
        default: try message.expectDescriptors(0)
        }
    }

    private func get(_ message: Message, _ value: UInt64) throws(ProtocolError) -> Reply {
        try message.expectPayload(0)
        return Reply(bytes(of: value))
    }

    // MARK: features and status

    private func setFeatures(_ new: FeatureBits) throws(ProtocolError) {
        guard offeredFeatures.isSuperset(of: new) else {
            throw .featuresNotOffered(new.subtracting(offeredFeatures).rawValue)
        }
        // The log is turned on and off while rings run.
        if new.symmetricDifference(features).subtracting(Self.logAllBit).isEmpty {
            features = new
        } else {
            try withRingsStopped { features = new }
        }
        try updateLog()
    }

    private func setProtocolFeatures(_ bits: UInt64) throws(ProtocolError) {
        let new = ProtocolFeatures(rawValue: bits)
        guard ProtocolFeatures.offered.isSuperset(of: new) else {
            throw .featuresNotOffered(new.subtracting(.offered).rawValue)
        }
        if new.contains(.inBandNotifications) {
            guard new.isSuperset(of: [.backEndRequests, .acknowledgements]) else { throw .inBandWithoutChannel }
            for ring in rings {
                ring.call.allowMessages()
                ring.error.allowMessages()
            }
        }
        protocolFeatures = new
    }

    /// SET_BACKEND_REQ_FD.
    private func setBackEndConnection(_ message: Message) throws(ProtocolError) {
        guard protocolFeatures.contains(.backEndRequests) else { throw .notNegotiated }
        try message.expectPayload(0)
        let socket = message.descriptors.takeFirst()!
        guard socket.descriptor.isListening == false else { throw .descriptor(.notSocket) }
        do throws(Errno) {
            signals.set(
                try BackEndChannel(
                    socket: socket, acknowledges: protocolFeatures.contains(.acknowledgements), logger: logger))
        } catch {
            throw .descriptor(error)
        }
    }

    /// It is deprecated, and means all rings and not the session (vhost-user, VHOST_USER_RESET_OWNER).
    private func resetOwner(_ message: Message) throws(ProtocolError) {
        try message.expectPayload(0)
        for ring in rings { ring.isEnabled = false }
        for number in rings.indices { try update(number) }
    }

    private func resetDevice(_ message: Message) throws(ProtocolError) {
        try message.expectPayload(0)
        stopAllRings()
        for ring in rings { ring.reset() }
        inflight = nil
        device.reset()
        status = []
    }

    /// Status 0 stops the rings, but leaves the FUSE session: a front end also sends it to pause a virtual machine,
    /// whose driver then goes on as if nothing had been. A driver that really starts anew says so by INIT.
    private func setStatus(_ bits: UInt64) throws(ProtocolError) {
        var new = DeviceStatus(rawValue: UInt8(truncatingIfNeeded: bits))
        // The bit stays clear for features that the device can't work with (virtio 1.4, 2.2.2).
        if !features.contains(.version1) { new.remove(.featuresOK) }
        status = new
        guard new.isEmpty else { return }
        stopAllRings()
        for ring in rings { ring.kick = nil }
    }

    // MARK: configuration space

    private func getConfiguration(_ message: Message) throws(ProtocolError) -> Reply {
        let head = try message.decodeHead(ConfigurationHead.self)
        try message.expectPayload(MemoryLayout<ConfigurationHead>.size + Int(head.size))
        let space = device.configuration
        // What is beyond the space is none of the device's; the length says that it was wrong to ask (GET_CONFIG).
        guard head.size <= ConfigurationHead.largestSize, Int(head.offset) <= space.count,
            Int(head.size) <= ConfigurationHead.largestSize - Int(head.offset)
        else { return Reply(bytes(of: ConfigurationHead(offset: head.offset, size: 0, flags: head.flags))) }
        var part = Array(space[Int(head.offset)...].prefix(Int(head.size)))
        part.append(contentsOf: repeatElement(0, count: Int(head.size) - part.count))
        return Reply(bytes(of: head) + part)
    }

    /// All of a file system's space is the device's to write (virtio 1.4, 5.11.4).
    private func setConfiguration(_ message: Message) throws(ProtocolError) {
        let head = try message.decodeHead(ConfigurationHead.self)
        try message.expectPayload(MemoryLayout<ConfigurationHead>.size + Int(head.size))
        throw .readOnlyConfiguration
    }

    // MARK: memory

    private func setMemoryTable(_ message: Message) throws(ProtocolError) {
        let head = try message.decodeHead(MemoryTableHead.self)
        guard head.regionCount <= MemoryTable.largestTable else { throw .regionCount(head.regionCount) }
        let size = MemoryLayout<MemoryRegionDescription>.size
        let start = MemoryLayout<MemoryTableHead>.size
        try message.expectPayload(start + Int(head.regionCount) * size)
        try message.expectDescriptors(Int(head.regionCount))
        let descriptions = message.payload.withUnsafeBytes { payload in
            (0..<Int(head.regionCount)).map {
                payload.loadUnaligned(fromByteOffset: start + $0 * size, as: MemoryRegionDescription.self)
            }
        }
        try memory.replace(descriptions, message.descriptors)
        try memoryChanged()
    }

    private func addMemoryRegion(_ message: Message) throws(ProtocolError) {
        let region = try message.decode(SingleRegionMessage.self).region
        let descriptor = message.descriptors.takeFirst()!
        try memory.add(region, descriptor)
        try memoryChanged()
    }

    private func removeMemoryRegion(_ message: Message) throws(ProtocolError) {
        let region = try message.decode(SingleRegionMessage.self).region
        try memory.remove(region)
        try memoryChanged()
    }
}
