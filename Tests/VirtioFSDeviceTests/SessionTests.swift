import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing
import Virtio
import VirtioTestSupport

/// INIT, DESTROY and what lies outside a session (virtio 1.4, 5.11.5 and 5.11.6).
struct SessionTests {
    @Test("A request before INIT, and after DESTROY, is answered EIO; DESTROY itself has its header")
    func outsideSession() throws {
        let test = try DeviceUnderTest()
        try test.driver.bringUp()
        #expect(try test.call(.getattr()).errno == EIO)
        #expect(try test.call(.initialize()).errno == 0)
        #expect(try test.call(.getattr()).errno == 0)
        let reply = try test.call(FUSEMessage(.destroy))
        #expect(reply.errno == 0 && reply.payload.isEmpty)
        #expect(try test.call(.getattr()).errno == EIO)
        #expect(try test.call(.initialize()).errno == 0)
        #expect(try test.call(.getattr()).errno == 0)
    }

    @Test("fs.init.device-shared-session, fs.rq.device-equivalent: one INIT serves all request queues alike")
    func sharedSession() throws {
        let test = try DeviceUnderTest(requestQueues: 4)
        try test.folder.add("file", [1, 2, 3])
        try test.driver.bringUp()
        #expect(try test.call(.initialize(), queue: 3).errno == 0)
        let node = try test.lookup("file")
        let handle = try test.open(node)
        for queue in 1...4 {
            let reply = try test.call(.read(node, handle: handle, size: 10), queue: queue)
            #expect(reply.payload == [1, 2, 3])
        }
    }

    @Test("fs.session.device-reinit-restarts: a second INIT ends handles and nodes of the first session")
    func secondInit() throws {
        let test = try DeviceUnderTest()
        try test.folder.add("file", [1, 2, 3])
        try test.open()
        let node = try test.lookup("file")
        let handle = try test.open(node)
        #expect(test.files.openHandleCount == 1 && test.files.lookupCount == 1)
        #expect(try test.call(.initialize()).errno == 0)
        #expect(test.files.openHandleCount == 0 && test.files.lookupCount == 0)
        #expect(try test.call(.read(node, handle: handle, size: 3)).errno == EBADF)
        #expect(try test.call(.getattr(node)).errno == ESTALE)
        let again = try test.lookup("file")
        #expect(again != node, "a node of an earlier session never means a file of this one")
        #expect(try test.call(.read(again, handle: try test.open(again), size: 3)).payload == [1, 2, 3])
    }

    @Test("DESTROY drops all nodes and handles")
    func destroy() throws {
        let test = try DeviceUnderTest()
        try test.folder.add("file")
        try test.open()
        _ = try test.open(try test.lookup("file"))
        _ = try test.call(FUSEMessage(.destroy))
        #expect(test.files.openHandleCount == 0 && test.files.lookupCount == 0)
    }

    @Test("The minor version is the smaller of both sides', from 7.27 on", arguments: UInt32(27)...45)
    func minor(offered: UInt32) throws {
        let test = try DeviceUnderTest()
        try test.driver.bringUp()
        let reply = try test.call(.initialize(minor: offered))
        let answer = try #require(reply.structure(fuse_init_out.self))
        #expect(answer.major == 7)
        #expect(answer.minor == min(offered, 45))
        #expect(reply.payload.count == 64)
        #expect(try test.call(.getattr()).errno == 0)
    }

    @Test("A client older than 7.27 is refused, and no session begins", arguments: [UInt32(0), 8, 26])
    func tooOld(minor: UInt32) throws {
        let test = try DeviceUnderTest()
        try test.driver.bringUp()
        #expect(try test.call(.initialize(minor: minor)).errno == EPROTO)
        #expect(try test.call(.getattr()).errno == EIO)
    }

    @Test("A later major version gets ours back and asks again; an earlier one is refused")
    func major() throws {
        let test = try DeviceUnderTest()
        try test.driver.bringUp()
        let reply = try test.call(.initialize(major: 8, minor: 0))
        #expect(try #require(reply.structure(fuse_init_out.self)).major == 7)
        #expect(try test.call(.getattr()).errno == EIO, "that was no session yet")
        #expect(try test.call(.initialize(major: 6, minor: 40)).errno == EPROTO)
        #expect(try test.call(.initialize()).errno == 0)
    }

    @Test("INIT of 16 bytes, as sent before INIT_EXT, opens a session; shorter ones are refused")
    func shortInit() throws {
        let test = try DeviceUnderTest()
        try test.driver.bringUp()
        for count in [0, 4, 8, 12] {
            var message = FUSEMessage.initialize()
            message.arguments = Array(message.arguments.prefix(count))
            #expect(try test.call(message).errno == EINVAL)
        }
        var message = FUSEMessage.initialize(minor: 31, flags: [.asyncRead])
        message.arguments = Array(message.arguments.prefix(16))
        let answer = try #require(try test.call(message).structure(fuse_init_out.self))
        #expect(answer.minor == 31 && answer.flags2 == 0)
    }

    @Test("Nothing is granted that the client did not offer")
    func flagsAreASubset() throws {
        let test = try DeviceUnderTest()
        try test.driver.bringUp()
        for offered in [InitFlags(), [.asyncRead], [.initExtended, .handleKillprivV2], InitFlags(rawValue: .max)] {
            let reply = try test.call(.initialize(flags: offered))
            let answer = try #require(reply.structure(fuse_init_out.self))
            #expect(answer.flags & ~offered.words.flags == 0)
            #expect(answer.flags2 & ~offered.words.flags2 == 0)
        }
    }

    @Test(
        "fs.req.device-fuse-semantics: an opcode that nobody knows is answered ENOSYS",
        arguments: [UInt32(0), 7, 19, 54, 999, 4096, 436_207_616, .max])
    func unknownOpcode(opcode: UInt32) throws {
        let test = try DeviceUnderTest()
        try test.open()
        #expect(try test.call(FUSEMessage(opcode: opcode, node: 1, unique: 0)).errno == ENOSYS)
    }

    @Test("Operations of later issues are answered ENOSYS, header and all")
    func laterOperations() throws {
        let test = try DeviceUnderTest()
        try test.open()
        let padding = [UInt8](repeating: 0, count: 64)
        for opcode in [Opcode.bmap, .setupMapping, .removeMapping] {
            #expect(try test.call(FUSEMessage(opcode).with(bytes: padding)).errno == ENOSYS)
        }
    }
}
