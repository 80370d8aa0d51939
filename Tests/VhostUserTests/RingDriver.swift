import CKernel
import FUSEWire
import GuestMemory
import ServeSupport
import Syscalls
import SystemPackage
import Virtio
import VirtioTestSupport
import Virtqueue

@testable import VhostUser

/// A driver of one queue of either kind, the first request queue, over a front end: it sends requests, does not wait, and
/// looks for the answers later.
final class RingDriver {
    let transport: FrontEndTransport
    let memory: MockGuestMemory
    let configuration: QueueConfiguration
    private var ring: DriverQueue
    private let interrupts = NotificationCounter()
    private var rooms: [UInt32: (address: GuestAddress, pointer: UnsafeRawPointer)] = [:]
    private var replies: [UInt32: FUSEReply] = [:]
    private var lastToken: UInt32 = 0

    init(
        _ serve: ServeProcess, packed: Bool, memorySize: Int = 4 << 20, options: FrontEndOptions = FrontEndOptions()
    ) throws {
        transport = try FrontEndTransport(path: FilePath(serve.socketPath), options: options)
        memory = try MockGuestMemory(size: memorySize)
        var features: FeatureBits = [.version1, .eventIndex]
        if packed { features.insert(.packedRing) }
        let layout = QueueLayout(size: 64, features: features.ringFeatures)
        let start = memory.allocate(layout.total, alignment: 4096)
        memory.fill(0, at: start, count: layout.total)
        configuration = QueueConfiguration(
            size: 64, descriptorArea: start, driverArea: start + UInt64(layout.driverOffset),
            deviceArea: start + UInt64(layout.deviceOffset), features: features.ringFeatures)
        ring = try DriverQueue(configuration, memory: memory.map)
        transport.setStatus([.acknowledge, .driver])
        transport.acceptFeatures(features)
        transport.setStatus(.featuresOK)
        try transport.setUpQueue(1, configuration, memory: memory.map) { [interrupts] in interrupts.add() }
        transport.setStatus(.driverOK)
        _ = ring.armInterrupts()
    }

    deinit { transport.reset() }

    /// Sends a request; a number for ``reply(to:seconds:)``.
    ///
    /// - Parameter region: where the reply is to go, if not into the driver's own memory.
    func send(
        _ message: FUSEMessage, room: Int = 256, replyIn region: GuestRegion? = nil, kicks: Bool = true
    ) -> UInt32 {
        lastToken += 1
        let bytes = message.bytes
        let request = memory.allocate(bytes.count, alignment: 8)
        memory.write(bytes, at: request)
        // A reply has pages of its own.
        let reply = region?.start ?? memory.allocate((room + 4095) & ~4095, alignment: 4096)
        rooms[lastToken] = (reply, UnsafeRawPointer(region?.base ?? memory.map.translate(reply, count: 1)!))
        let readable = [GuestBuffer(request, count: UInt32(bytes.count))]
        let writable = [GuestBuffer(reply, count: UInt32(room))]
        let fits = readable.withUnsafeBufferPointer { readable in
            writable.withUnsafeBufferPointer { writable in
                ring.add(readable: readable, writable: writable, table: nil, token: lastToken)
            }
        }
        precondition(fits)
        if ring.needsKick(), kicks { transport.doorbell(1)?.ring(lending: false) }
        return lastToken
    }

    /// Where the reply to a request goes.
    func room(of token: UInt32) -> GuestAddress { rooms[token]!.address }

    /// The answer to a request, waited for; nothing when it does not come.
    func reply(to token: UInt32, seconds: Int = 10) throws -> FUSEReply? {
        var failure: RingError?
        _ = interrupts.wait(seconds: seconds) {
            do throws(RingError) { try takeAll() } catch { failure = error }
            return replies[token] != nil || failure != nil
        }
        if let failure { throw failure }
        return replies[token]
    }

    private func takeAll() throws(RingError) {
        repeat {
            while let (token, written) = try ring.popUsed() {
                let bytes = UnsafeRawBufferPointer(start: rooms[token]!.pointer, count: Int(written))
                replies[token] = FUSEReply(Array(bytes))
            }
        } while !ring.armInterrupts()
    }

    /// Sends a request and waits for the answer.
    func call(_ message: FUSEMessage, room: Int = 256) throws -> FUSEReply? {
        try reply(to: send(message, room: room))
    }
}

extension RingDriver {
    /// Opens a session and a file in it: node and handle.
    func open(_ name: String) throws -> (node: NodeID, handle: UInt64) {
        _ = try call(.initialize(flags: [.initExtended, .posixLocks, .flockLocks]))
        let entry = try call(FUSEMessage(.lookup).with(name: name))?.structure(fuse_entry_out.self)
        let node = NodeID(rawValue: entry?.nodeid ?? 0)
        let message = FUSEMessage(.open, node: node).with(fuse_open_in(flags: UInt32(O_RDWR), open_flags: 0))
        return (node, try call(message)?.structure(fuse_open_out.self)?.fh ?? 0)
    }

    /// A lock on all of a file, for `owner`.
    static func lock(_ file: (node: NodeID, handle: UInt64), owner: UInt64, waits: Bool, unique: UInt64) -> FUSEMessage
    {
        var arguments = fuse_lk_in()
        arguments.fh = file.handle
        arguments.owner = owner
        arguments.lk.end = UInt64(Int64.max)
        arguments.lk.type = UInt32(F_WRLCK)
        return FUSEMessage(waits ? .setlkw : .setlk, node: file.node, unique: unique).with(arguments)
    }

    /// Takes a lock, then asks for the same for somebody else: the request that waits for it.
    func blockOnLock(_ file: (node: NodeID, handle: UInt64), replyIn region: GuestRegion? = nil) throws -> UInt32? {
        guard try call(Self.lock(file, owner: 1, waits: false, unique: 70))?.errno == 0 else { return nil }
        let token = send(Self.lock(file, owner: 2, waits: true, unique: 77), replyIn: region)
        // Once something that came later is answered, it is in the device's hands.
        return try call(FUSEMessage(.statfs))?.errno == 0 ? token : nil
    }

    /// Lets go of the lock that ``blockOnLock(_:replyIn:)`` took first.
    func unlock(_ file: (node: NodeID, handle: UInt64)) throws -> FUSEReply? {
        var arguments = fuse_lk_in()
        arguments.fh = file.handle
        arguments.owner = 1
        arguments.lk.end = UInt64(Int64.max)
        arguments.lk.type = UInt32(F_UNLCK)
        return try call(FUSEMessage(.setlk, node: file.node).with(arguments))
    }
}
