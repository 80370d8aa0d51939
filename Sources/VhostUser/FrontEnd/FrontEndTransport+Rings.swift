import CKernel
public import GuestMemory
import Syscalls
import SystemPackage
import Virtio
import Virtqueue

extension FrontEndTransport {
    /// DRIVER_OK: shares the memory, then starts the rings one by one.
    func start() throws(FrontEndError) {
        let pending = lock.withLock { state.pending }
        guard let memory = pending.first?.value.memory else { return }
        try share(memory)
        if protocolFeatures.contains(.inflightFile) { try askForInflight(pending) }
        for number in pending.keys {
            let events = try RingEvents()
            lock.withLock { state.rings[number] = events }
        }
        try startRings { number, queue in
            // A packed ring begins with both wrap counters set (virtio 1.4, 2.8.1).
            queue.configuration.features.contains(.packed) ? 0x8000_8000 : 0
        }
    }

    /// Starts all rings, each at `base`, and listens to what the back end has to say.
    func startRings(at base: (Int, PendingQueue) -> UInt32) throws(FrontEndError) {
        let (connection, pending, rings) = lock.withLock { (state.connection, state.pending, state.rings) }
        var sources: [InterruptThread.Source] = []
        for (number, queue) in pending.sorted(by: { $0.key < $1.key }) {
            guard let events = rings[number] else { continue }
            try startRing(number, queue, events, base: base(number, queue))
            sources += self.sources(number, queue, events)
        }
        if let requests = connection.requests {
            sources.append(.init(requests.descriptor) { [weak self] in self?.handle(requests) ?? false })
        }
        do throws(Errno) {
            let descriptor = connection.channel.descriptor
            let thread = try InterruptThread(sources: sources, connection: descriptor) { [weak self] in
                self?.needsReset()
            }
            lock.withLock { state.interrupts = thread }
        } catch {
            throw .system(error)
        }
    }

    private func sources(_ number: Int, _ queue: PendingQueue, _ events: RingEvents) -> [InterruptThread.Source] {
        guard connection.usesInBandNotifications else {
            return [
                .init(event: events.call, handler: queue.interrupt),
                .init(event: events.error) { [weak self] in self?.needsReset() },
            ]
        }
        // The driver kicks an eventfd, whatever carries the kick.
        let kick = events.kick
        return [
            .init(kick.descriptor) { [weak self] in
                kick.wait()
                guard let self else { return false }
                return (try? channel.tell(.kickRing, vringState(UInt32(number), 0))) != nil
            }
        ]
    }

    /// Does what the back end asks for by a message.
    private func handle(_ requests: BackEndRequests) -> Bool {
        guard let request = requests.takeRingRequest() else { return false }
        switch request.code {
        case .ringCall: lock.withLock { state.pending[request.queue]?.interrupt }?()
        case .ringError: needsReset()
        }
        return true
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

    /// Takes a region away again. No chain that is made available from here on may lie in it; the back end still finishes
    /// those that it has (vhost-user, VHOST_USER_REM_MEM_REG).
    public func removeMemory(_ region: GuestRegion) throws(FrontEndError) {
        try channel.tell(.removeMemoryRegion, bytes(of: SingleRegionMessage(region: region.description)))
    }

    private func startRing(
        _ number: Int, _ queue: PendingQueue, _ events: RingEvents, base: UInt32
    ) throws(FrontEndError) {
        let index = UInt32(number)
        let channel = channel
        try channel.tell(.setRingSize, vringState(index, UInt32(queue.configuration.size)))
        try channel.tell(.setRingBase, vringState(index, base))
        try channel.tell(.setRingAddresses, try addresses(index, queue))
        if !connection.usesInBandNotifications {
            try channel.tell(.setRingCall, bytes(of: UInt64(index)), descriptors: [events.call.descriptor])
            try channel.tell(.setRingError, bytes(of: UInt64(index)), descriptors: [events.error.descriptor])
            try channel.tell(.setRingKick, bytes(of: UInt64(index)), descriptors: [events.kick.descriptor])
        }
        try channel.tell(.setRingEnable, vringState(index, 1))
    }

    func vringState(_ index: UInt32, _ number: UInt32) -> [UInt8] {
        bytes(of: vhost_vring_state(index: index, num: number))
    }

    /// - Parameter isLogged: whether the back end is to note what it writes into the ring.
    func addresses(_ index: UInt32, _ queue: PendingQueue, isLogged: Bool = false) throws(FrontEndError) -> [UInt8] {
        func user(_ address: GuestAddress) throws(FrontEndError) -> UInt64 {
            guard let base = queue.memory.locate(address)?.base else { throw .system(.badAddress) }
            return UInt64(UInt(bitPattern: base))
        }
        var addresses = vhost_vring_addr()
        addresses.index = index
        addresses.flags = isLogged ? 1 << UInt32(VHOST_VRING_F_LOG) : 0
        addresses.desc_user_addr = try user(queue.configuration.descriptorArea)
        addresses.avail_user_addr = try user(queue.configuration.driverArea)
        addresses.used_user_addr = try user(queue.configuration.deviceArea)
        addresses.log_guest_addr = queue.configuration.deviceArea.rawValue
        return bytes(of: addresses)
    }

    /// Stops all rings, so that the back end has let go of all buffers, and takes the device back to its beginning as
    /// far as the protocol can.
    public func reset() {
        let (running, thread) = lock.withLock { () -> ([Int], InterruptThread?) in
            defer {
                state.pending = [:]
                state.inflight = nil
                state.log = nil
                state.interrupts = nil
            }
            return (Array(state.rings.keys), state.interrupts)
        }
        for number in running { _ = try? channel.ask(.getRingBase, vringState(UInt32(number), 0)) }
        if protocolFeatures.contains(.deviceReset) { try? channel.tell(.resetDevice) }
        if protocolFeatures.contains(.status) { try? channel.tell(.setStatus, bytes(of: UInt64(0))) }
        thread?.stop()
        lock.withLock {
            state.rings = [:]
            state.status = state.connection.channel.isBroken ? [.deviceNeedsReset] : []
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
