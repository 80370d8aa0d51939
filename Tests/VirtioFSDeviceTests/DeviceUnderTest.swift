import CKernel
import FUSEWire
import HostDirectory
import Logging
import SystemPackage
import Testing
import Virtio
import VirtioFSDevice
import VirtioTestSupport

/// A device over a folder of its own, and a mock driver in front of it.
final class DeviceUnderTest {
    let folder = TemporaryFolder()
    let files: HostDirectory
    let transport: InProcessTransport
    let driver: MockDriver
    private var lastUnique: UInt64 = 100

    init(
        tag: String = "test", requestQueues: UInt32 = 1, memorySize: Int = 8 << 20,
        configure: (inout DeviceSettings) -> Void = { _ in }, hook: HookedFileSystem.Hook? = nil
    ) throws {
        files = try HostDirectory(path: folder.path)
        var settings = try #require(DeviceSettings(tag: tag, requestQueueCount: requestQueues))
        configure(&settings)
        // What the device logs about a driver that misbehaves on purpose is of no use here.
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let device: any VirtioDevice
        if let hook {
            device = VirtioFSDevice(files: HookedFileSystem(files, hook: hook), settings: settings, logger: quiet)
        } else {
            device = VirtioFSDevice(files: files, settings: settings, logger: quiet)
        }
        transport = InProcessTransport(device: device)
        driver = try MockDriver(transport, memorySize: memorySize)
    }

    deinit { transport.reset() }

    /// Brings the device up and opens a session.
    func open(features: FeatureBits = [.version1, .indirectDescriptors, .eventIndex]) throws {
        try driver.bringUp(features: features)
        let reply = try call(.initialize())
        try #require(reply.errno == 0)
    }

    func nextUnique() -> UInt64 {
        lastUnique += 1
        return lastUnique
    }

    /// Sends a request on the first request queue and expects a well-formed reply.
    func call(
        _ message: FUSEMessage, queue: Int = 1, cuts: [Int] = [], writable: [Int] = [4096],
        layout: ChainLayout = .direct, lending: Bool = true
    ) throws -> FUSEReply {
        var message = message
        message.header.unique = nextUnique()
        let answer = try driver.queues[queue]!.send(
            message.bytes, cuts: cuts, writable: writable, layout: layout, lending: lending)
        let reply = try #require(answer.reply)
        #expect(reply.isWellFormed(unique: message.header.unique, usedLength: answer.usedLength))
        return reply
    }

    /// Makes a request available and does not wait; never on loan, because it may stall.
    func start(_ message: FUSEMessage, queue: Int = 1) -> SentChain {
        var message = message
        message.header.unique = nextUnique()
        return driver.queues[queue]!.submit(message.bytes, lending: false)
    }

    /// LOOKUP in the root: the node.
    func lookup(_ name: String) throws -> NodeID {
        let reply = try call(FUSEMessage(.lookup).with(name: name))
        try #require(reply.errno == 0)
        return NodeID(rawValue: try #require(reply.structure(fuse_entry_out.self)).nodeid)
    }

    /// OPEN: the handle.
    func open(_ node: NodeID, flags: Int32 = O_RDWR) throws -> UInt64 {
        let reply = try call(
            FUSEMessage(.open, node: node).with(fuse_open_in(flags: UInt32(flags), open_flags: 0)))
        try #require(reply.errno == 0)
        return try #require(reply.structure(fuse_open_out.self)).fh
    }
}

extension FUSEMessage {
    static func getattr(_ node: NodeID = .root) -> FUSEMessage {
        FUSEMessage(.getattr, node: node).with(fuse_getattr_in())
    }

    static func statfs() -> FUSEMessage { FUSEMessage(.statfs) }

    static func read(_ node: NodeID, handle: UInt64, offset: UInt64 = 0, size: UInt32) -> FUSEMessage {
        var arguments = fuse_read_in()
        (arguments.fh, arguments.offset, arguments.size) = (handle, offset, size)
        return FUSEMessage(.read, node: node).with(arguments)
    }

    static func write(_ node: NodeID, handle: UInt64, offset: UInt64 = 0, _ data: [UInt8]) -> FUSEMessage {
        var arguments = fuse_write_in()
        (arguments.fh, arguments.offset, arguments.size) = (handle, offset, UInt32(data.count))
        return FUSEMessage(.write, node: node).with(arguments).with(bytes: data)
    }

    static func forget(_ node: NodeID, count: UInt64) -> FUSEMessage {
        FUSEMessage(.forget, node: node).with(fuse_forget_in(nlookup: count))
    }

    static func interrupt(_ unique: UInt64) -> FUSEMessage {
        FUSEMessage(.interrupt).with(fuse_interrupt_in(unique: unique))
    }
}
