import CKernel
import FUSEWire
import ServeSupport
import SystemPackage
import Testing
import VhostUser
import Virtio
import VirtioFSDriver
import VirtioTestSupport

extension VhostUserTests {
    /// The driver over the socket, against `serve`: what one side may rely on, the other keeps to.
    @Suite struct TransportTests {
        /// Every way that a connection can be set up.
        static let choices: [(packed: Bool, without: ProtocolFeatures)] = [
            (false, []), (true, []), (false, [.configuration, .status]), (true, [.acknowledgements]),
            (false, [.deviceReset, .status, .memorySlots, .multipleQueues]), (true, .offered),
        ]

        @Test("A driver reads, writes and lists over the socket", arguments: choices.indices)
        func drives(index: Int) throws {
            let choice = Self.choices[index]
            let serve = try ServeProcess("--queues", "2")
            try serve.folder.add("hello.txt", Array("hello".utf8))
            let before = serve.descriptorCount
            do {
                let client = try Client(serve, packed: choice.packed, without: choice.without)
                defer { client.close() }
                let node = try client.lookup("hello.txt")
                #expect(try client.read(node) == Array("hello".utf8))
                try client.write(to: node, Array("HELLO, world".utf8))
            }
            #expect(try serve.folder.content("hello.txt") == Array("HELLO, world".utf8))
            #expect(serve.descriptorCount(settlingAt: before) == before)
            #expect(serve.terminate() == 0)
        }

        @Test("A device is reset and brought up again over one connection")
        func resets() throws {
            let serve = try ServeProcess()
            let driver = try MockDriver(FrontEndTransport(path: FilePath(serve.socketPath)))
            defer { driver.transport.reset() }
            for _ in 0..<20 {
                try driver.bringUp()
                let reply = try driver.requests.send(FUSEMessage.initialize().bytes, writable: [4096]).reply
                #expect(reply?.errno == 0)
            }
        }

        @Test("Features that were not offered leave FEATURES_OK clear")
        func refusesFeatures() throws {
            let serve = try ServeProcess()
            let driver = try MockDriver(FrontEndTransport(path: FilePath(serve.socketPath)))
            defer { driver.transport.reset() }
            driver.reset()
            driver.acknowledge()
            driver.announce()
            #expect(!driver.accept([.version1, FeatureBits(rawValue: 1 << 50)]))
        }

        @Test("The end of the back end is a device that needs a reset")
        func noticesTheEnd() throws {
            let serve = try ServeProcess()
            let driver = try MockDriver(FrontEndTransport(path: FilePath(serve.socketPath)))
            driver.watchdogSeconds = 10
            try driver.bringUp()
            #expect(serve.terminate() == 0)
            #expect(driver.waitUntilNeedsReset())
            driver.transport.reset()
        }
    }
}

/// A FUSE client over the driver, as small as a test needs it.
struct Client {
    let driver: VirtioFSDriver

    init(_ serve: ServeProcess, packed: Bool = false, without: ProtocolFeatures = []) throws {
        try self.init(path: serve.socketPath, packed: packed, without: without)
    }

    /// What the device chose of what INIT offered.
    let chosen: InitFlags

    init(
        path: String, packed: Bool, without: ProtocolFeatures = [], initFlags: InitFlags = [.initExtended]
    ) throws {
        var frontEnd = FrontEndOptions()
        frontEnd.withoutProtocolFeatures = without
        var options = DriverOptions()
        options.usesPackedRings = packed
        options.tag = "myfs"
        let transport = try FrontEndTransport(path: FilePath(path), options: frontEnd)
        driver = try VirtioFSDriver(transport: transport, options: options)
        let message = FUSEMessage.initialize(flags: initFlags)
        // Requests park until the session is open, so INIT is the driver's own.
        let reply = try driver.call(message.bytes, internally: true)
        let answer = reply.withUnsafeBytes { $0.loadUnaligned(as: fuse_init_out.self) }
        chosen = InitFlags(flags: answer.flags, flags2: answer.flags2)
        driver.sessionOpened(with: message.bytes)
    }

    func close() {
        driver.closeSession()
        driver.shutDown()
    }

    func lookup(_ name: String) throws -> NodeID {
        let reply = try driver.call(FUSEMessage(.lookup).with(name: name).bytes)
        return NodeID(rawValue: reply.withUnsafeBytes { $0.loadUnaligned(as: fuse_entry_out.self) }.nodeid)
    }

    private func open(_ node: NodeID, flags: Int32) throws -> UInt64 {
        let message = FUSEMessage(.open, node: node).with(fuse_open_in(flags: UInt32(flags), open_flags: 0))
        return try driver.call(message.bytes).withUnsafeBytes { $0.loadUnaligned(as: fuse_open_out.self) }.fh
    }

    private func release(_ node: NodeID, _ handle: UInt64) throws {
        var arguments = fuse_release_in()
        arguments.fh = handle
        _ = try driver.call(FUSEMessage(.release, node: node).with(arguments).bytes)
    }

    func read(_ node: NodeID, count: Int = 4096) throws -> [UInt8] {
        let handle = try open(node, flags: O_RDONLY)
        defer { try? release(node, handle) }
        var arguments = fuse_read_in()
        arguments.fh = handle
        arguments.size = UInt32(count)
        return try driver.call(FUSEMessage(.read, node: node).with(arguments).bytes)
    }

    func write(to node: NodeID, _ content: [UInt8]) throws {
        let handle = try open(node, flags: O_WRONLY)
        defer { try? release(node, handle) }
        var arguments = fuse_write_in()
        arguments.fh = handle
        arguments.size = UInt32(content.count)
        _ = try driver.call(FUSEMessage(.write, node: node).with(arguments).with(bytes: content).bytes)
    }
}
