import CKernel
import GuestMemory
import Syscalls
public import SystemPackage
import Virtio
import Virtqueue

/// The back end's records of chains in flight, which the front end keeps for the next back end.
struct InflightFile {
    let description: InflightDescription
    let file: SharedDescriptor
}

extension FrontEndTransport {
    /// Has the back end make memory for its records, and use it.
    func askForInflight(_ queues: [Int: PendingQueue]) throws(FrontEndError) {
        let size = queues.values.map(\.configuration.size).max() ?? 0
        let count = UInt16((queues.keys.max() ?? 0) + 1)
        let question = InflightDescription(size: 0, queueCount: count, queueSize: size)
        let reply = try channel.ask(.getInflight, bytes(of: question))
        guard let description = try? InflightDescription(reply), let file = reply.descriptors.takeFirst() else {
            throw .reply(.getInflight)
        }
        let inflight = InflightFile(description: description, file: SharedDescriptor(file))
        lock.withLock { state.inflight = inflight }
        try hand(over: inflight)
    }

    private func hand(over inflight: InflightFile) throws(FrontEndError) {
        try channel.tell(
            .setInflight, bytes(of: inflight.description), descriptors: [inflight.file.descriptor])
    }

    /// Goes on with another back end, which listens at `path`, when the one before has died: it is told all that the one
    /// before was, and serves the chains that were in flight (``FrontEndOptions/keepsInflight``). The driver need not know.
    ///
    /// A file system's session is not among what the protocol hands over: a device that never saw the INIT answers EIO,
    /// and it is the driver's to begin a new one.
    public func reconnect(to path: FilePath) throws(FrontEndError) {
        // A back end that is still there serves one front end at a time.
        channel.descriptor.shutDown()
        let new = try FrontEndConnection(socket: try Self.connect(path), options: options)
        let (old, thread, pending, inflight) = lock.withLock {
            defer { state.interrupts = nil }
            return (state.connection, state.interrupts, state.pending, state.inflight)
        }
        guard new.protocolFeatures == old.protocolFeatures, new.deviceFeatures.isSuperset(of: deviceFeatures) else {
            throw .reply(.getFeatures)
        }
        thread?.stop()
        lock.withLock {
            state.connection = new
            state.status.remove(.deviceNeedsReset)
        }
        try settleFeatures()
        if let memory = pending.first?.value.memory { try share(memory) }
        if let inflight { try hand(over: inflight) }
        try startRings { _, queue in Self.base(of: queue) }
        try reportStatus()
        // What was made available meanwhile was kicked for at nobody's door.
        for ring in lock.withLock({ state.rings.values }) { ring.kick.ring(lending: false) }
    }

    /// Where a ring goes on whose device has died, as far as that can be seen: where its used ring stands. What was taken
    /// out of a packed ring only the device knew, so its records have to say it.
    private static func base(of queue: PendingQueue) -> UInt32 {
        guard !queue.configuration.features.contains(.packed),
            let used = queue.memory.translate(queue.configuration.deviceArea, count: 4)
        else { return 0x8000_8000 }
        return UInt32(SharedUInt16(at: used + 2).load())
    }
}
