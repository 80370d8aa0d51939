import CKernel
public import GuestMemory
import Syscalls
import SystemPackage
import Virtio
import Virtqueue

extension FrontEndTransport {
    /// DRIVER_OK: shares the memory, then starts the rings one by one.
    func start() throws(FrontEndError) {
        let pending = lock.withLock { state.pending }.sorted { $0.key < $1.key }
        guard let memory = pending.first?.value.memory else { return }
        try share(memory)
        var sources: [InterruptThread.Source] = []
        for (number, queue) in pending {
            sources += try startRing(number, queue)
        }
        do throws(Errno) {
            let thread = try InterruptThread(sources: sources, connection: channel.descriptor) { [weak self] in
                self?.needsReset()
            }
            lock.withLock { state.interrupts = thread }
        } catch {
            throw .system(error)
        }
    }

    /// Sends the whole memory table. The front end's own addresses are those of this process.
    func share(_ memory: GuestMemoryMap) throws(FrontEndError) {
        var payload = bytes(of: MemoryTableHead(regionCount: UInt32(memory.regions.count)))
        var files: [FileDescriptor] = []
        for region in memory.regions {
            guard let file = region.file else { throw .system(.badFileDescriptor) }
            payload += bytes(of: region.description)
            files.append(file)
        }
        try channel.tell(.setMemoryTable, payload, descriptors: files)
    }

    /// Adds a region to the memory that the back end has, while queues run (vhost-user, VHOST_USER_ADD_MEM_REG). It has to
    /// keep its file.
    public func addMemory(_ region: GuestRegion) throws(FrontEndError) {
        guard let file = region.file else { throw .system(.badFileDescriptor) }
        let message = bytes(of: SingleRegionMessage(region: region.description))
        try channel.tell(.addMemoryRegion, message, descriptors: [file])
    }

    /// Takes a region away again; on return the back end has no hand in it (vhost-user, VHOST_USER_REM_MEM_REG).
    public func removeMemory(_ region: GuestRegion) throws(FrontEndError) {
        try channel.tell(.removeMemoryRegion, bytes(of: SingleRegionMessage(region: region.description)))
    }

    private func startRing(
        _ number: Int, _ queue: PendingQueue
    ) throws(FrontEndError) -> [InterruptThread.Source] {
        let index = UInt32(number)
        let isPacked = queue.configuration.features.contains(.packed)
        try channel.tell(.setRingSize, state(index, UInt32(queue.configuration.size)))
        // A packed ring begins with both wrap counters set (virtio 1.4, 2.8.1).
        try channel.tell(.setRingBase, state(index, isPacked ? 0x8000_8000 : 0))
        try channel.tell(.setRingAddresses, try addresses(index, queue))
        let (call, error, kick) = try makeEvents()
        try channel.tell(.setRingCall, bytes(of: UInt64(index)), descriptors: [call.descriptor])
        try channel.tell(.setRingError, bytes(of: UInt64(index)), descriptors: [error.descriptor])
        try channel.tell(.setRingKick, bytes(of: UInt64(index)), descriptors: [kick.descriptor])
        try channel.tell(.setRingEnable, state(index, 1))
        lock.withLock { state.doorbells[number] = kick }
        return [
            .init(event: call, handler: queue.interrupt), .init(event: error) { [weak self] in self?.needsReset() },
        ]
    }

    private func makeEvents() throws(FrontEndError) -> (call: SharedEvent, error: SharedEvent, kick: Doorbell) {
        do throws(Errno) {
            return (try SharedEvent(), try SharedEvent(), Doorbell(event: try EventDescriptor()))
        } catch {
            throw .system(error)
        }
    }

    private func state(_ index: UInt32, _ number: UInt32) -> [UInt8] {
        bytes(of: vhost_vring_state(index: index, num: number))
    }

    private func addresses(_ index: UInt32, _ queue: PendingQueue) throws(FrontEndError) -> [UInt8] {
        func user(_ address: GuestAddress) throws(FrontEndError) -> UInt64 {
            guard let base = queue.memory.locate(address)?.base else { throw .system(.badAddress) }
            return UInt64(UInt(bitPattern: base))
        }
        var addresses = vhost_vring_addr()
        addresses.index = index
        addresses.desc_user_addr = try user(queue.configuration.descriptorArea)
        addresses.avail_user_addr = try user(queue.configuration.driverArea)
        addresses.used_user_addr = try user(queue.configuration.deviceArea)
        return bytes(of: addresses)
    }

    /// Stops all rings, so that the back end has let go of all buffers, and takes the device back to its beginning as
    /// far as the protocol can.
    public func reset() {
        let (running, thread) = lock.withLock { () -> ([Int], InterruptThread?) in
            defer {
                state.doorbells = [:]
                state.pending = [:]
                state.interrupts = nil
            }
            return (Array(state.doorbells.keys), state.interrupts)
        }
        for number in running { _ = try? channel.ask(.getRingBase, state(UInt32(number), 0)) }
        if protocolFeatures.contains(.deviceReset) { try? channel.tell(.resetDevice) }
        if protocolFeatures.contains(.status) { try? channel.tell(.setStatus, bytes(of: UInt64(0))) }
        thread?.stop()
        lock.withLock {
            state.status = channel.isBroken ? [.deviceNeedsReset] : []
            state.accepted = []
        }
    }
}

extension GuestRegion {
    /// As a front end describes it that has the region where this process has it.
    var description: MemoryRegionDescription {
        MemoryRegionDescription(
            guestAddress: start.rawValue, size: UInt64(size), userAddress: UInt64(UInt(bitPattern: base)),
            fileOffset: 0)
    }
}
