import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing

/// Requests of a client of the other byte order, put together by hand.
@Suite struct ForeignOrderTests {
    /// Numbers in the byte order that this machine doesn't have.
    private func foreign<Number: FixedWidthInteger & BitwiseCopyable>(_ numbers: Number...) -> [UInt8] {
        numbers.flatMap { Wire.bytes($0.byteSwapped) }
    }

    private func request(_ opcode: UInt32, _ node: UInt64, _ arguments: [UInt8]) -> [UInt8] {
        foreign(UInt32(40 + arguments.count), opcode) + foreign(UInt64(0x1234_5678), node)
            + foreign(UInt32(0), 0, 1) + foreign(UInt16(0), 0) + arguments
    }

    private func number<Number: FixedWidthInteger & BitwiseCopyable>(
        _ answer: Wire.Answer, _ offset: Int, _ type: Number.Type
    ) -> Number { answer.load(Number.self, at: offset).byteSwapped }

    private func open(_ wire: Wire, minor: UInt32 = 38) -> Wire.Answer {
        wire.sendForeign(request(26, 0, foreign(UInt32(7), minor, 65536, ~UInt32(0), ~UInt32(0)) + foreign(UInt32(0))))
    }

    @Test("fs.endian.device-detects, fs.endian.device-replies: a session in the other byte order does all of it")
    func session() throws {
        let wire = try Wire()
        Share.write("content", to: wire.share.path("file"))
        let initial = open(wire)
        #expect(initial.error == 0 && number(initial, 0, UInt32.self) == 7 && number(initial, 4, UInt32.self) == 38)
        #expect(number(initial, 20, UInt32.self) == 1 << 20 && number(initial, 28, UInt16.self) == 256)

        let found = wire.sendForeign(request(1, 1, Wire.name("file")))
        let node = number(found, 0, UInt64.self)
        #expect(number(found, 40, UInt64.self) == UInt64(wire.share.status("file").st_ino))
        #expect(number(found, 48, UInt64.self) == 7 && number(found, 100, UInt32.self) == UInt32(S_IFREG) | 0o666)
        #expect(wire.sendForeign(request(1, 1, Wire.name("none"))).error == ENOENT)

        let opened = wire.sendForeign(request(14, node, foreign(UInt32(O_RDWR), 0)))
        let handle = number(opened, 0, UInt64.self)
        let writing = foreign(handle, 7) + foreign(UInt32(4), 0) + foreign(UInt64(0)) + foreign(UInt32(0), 0)
        #expect(number(wire.sendForeign(request(16, node, writing + Array("more".utf8))), 0, UInt32.self) == 4)
        let reading = foreign(handle, 0) + foreign(UInt32(64), 0) + foreign(UInt64(0)) + foreign(UInt32(0), 0)
        #expect(wire.sendForeign(request(15, node, reading)).payload == Array("contentmore".utf8))
        let flags =
            foreign(handle) + foreign(UInt32(0), ck_fs_ioc_getflags) + foreign(UInt64(0)) + foreign(UInt32(0), 4)
        let control = wire.sendForeign(request(39, node, flags))
        #expect(control.error == 0 && number(control, 16, UInt32.self) & UInt32(FS_EXTENT_FL) != 0)
        wire.share.fs.forget(NodeID(rawValue: node), count: 1)
    }

    @Test("fs.endian.device-replies: entries of a listing, attributes' sizes, and forgets come in the session's order")
    func listing() throws {
        let wire = try Wire()
        // Of two files, the device gives one a node in a first listing.
        for name in ["file", "other"] { Share.write("", to: wire.share.path(name)) }
        _ = open(wire)
        let handle = number(wire.sendForeign(request(27, 1, foreign(UInt32(0), 0))), 0, UInt64.self)
        let reading = foreign(handle, 0) + foreign(UInt32(4096), 0) + foreign(UInt64(0)) + foreign(UInt32(0), 0)
        let listed = wire.sendForeign(request(44, 1, reading))
        var offset = 0
        var nodes: [UInt64] = []
        while offset < listed.payload.count {
            let count = Int(number(listed, offset + 128 + 16, UInt32.self))
            let name = String(decoding: listed.payload[(offset + 152)..<(offset + 152 + count)], as: UTF8.self)
            if !name.hasPrefix(".") { nodes.append(number(listed, offset, UInt64.self)) }
            offset += DirectoryEntryWriter.size(nameCount: count, plus: true)
        }
        #expect(nodes.count == 2 && wire.share.fs.lookupCount == 1)
        nodes.removeAll { $0 == 0 }
        _ = wire.sendForeign(request(42, 0, foreign(UInt32(1), 0) + foreign(nodes[0], 1)))
        #expect(wire.share.fs.lookupCount == 0)
        lsetxattr(wire.share.root, "user.x", "value", 5, 0)
        let asking = wire.sendForeign(request(22, 1, foreign(UInt32(0), 0) + Wire.name("user.x")))
        #expect(number(asking, 0, UInt32.self) == 5)
        let getting = wire.sendForeign(request(22, 1, foreign(UInt32(16), 0) + Wire.name("user.x")))
        #expect(getting.payload == Array("value".utf8))
    }

    @Test("fs.session.device-reinit-endianness: each INIT chooses anew, and what comes in the wrong order is refused")
    func reinit() throws {
        let wire = try Wire()
        #expect(wire.ask(.statfs, .root, []).error == 0)
        #expect(open(wire).error == 0)
        #expect(wire.sendForeign(request(17, 1, [])).error == 0)
        #expect(wire.sendForeign(request(17, 1, [])).payload.count == 80)
        var offer = fuse_init_in()
        (offer.major, offer.minor) = (7, 31)
        let answer = wire.ask(.initialize, .root, Wire.bytes(offer))
        #expect(answer.error == 0 && answer.load(fuse_init_out.self).minor == 31)
        #expect(wire.ask(.statfs, .root, []).error == 0)
    }

    @Test(
        "INIT answers with the smaller minor, and refuses what is older than 7.27",
        arguments: [26, 27, 31, 35, 38, 45, 60])
    func minors(minor: UInt32) throws {
        let wire = try Wire()
        // Before 7.36 the request has no flags2 (FUSE_INIT_EXT).
        let words = [7, minor, 65536, UInt32.max & ~(minor < 36 ? UInt32(FUSE_INIT_EXT) : 0)]
        let rest = [UInt32](repeating: .max, count: minor < 36 ? 0 : 12)
        let answer = wire.ask(.initialize, .root, Wire.bytes(words + rest))
        guard minor >= 27 else {
            #expect(answer.error == EPROTO)
            return
        }
        let reply = answer.load(fuse_init_out.self)
        #expect(reply.minor == min(minor, 45) && answer.payload.count == 64)
        #expect((reply.flags2 != 0) == (minor >= 36))
        #expect(wire.ask(.statfs, .root, []).error == 0)
    }
}
