import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing
import Virtio
import VirtioFSDevice
import VirtioTestSupport

@testable import Tracing

/// What is recorded, read back, and asked again.
@Suite struct RecordingTests {
    private let place = TemporaryFolder()

    private var file: FilePath { place.path.appending("recording") }

    private func share(_ content: String) throws -> TemporaryFolder {
        let share = TemporaryFolder()
        try share.add("file", Array(content.utf8))
        try share.addFolder("folder")
        return share
    }

    private func device(_ share: TemporaryFolder, _ tap: RequestTap? = nil) throws -> InProcessTransport {
        var settings = try #require(DeviceSettings(tag: "test"))
        settings.service.tap = tap
        return InProcessTransport(
            device: VirtioFSDevice(files: try HostDirectory(path: share.path), settings: settings))
    }

    /// A bit of everything that gives or takes a number of the device's.
    private func traffic(_ driver: MockDriver) throws {
        var unique: UInt64 = 1
        func call(_ message: FUSEMessage) throws -> FUSEReply {
            var message = message
            unique += 2
            message.header.unique = unique
            return try #require(try driver.requests.send(message.bytes, writable: [8192]).reply)
        }
        _ = try call(.initialize())
        let entry = try #require(try call(FUSEMessage(.lookup).with(name: "file")).structure(fuse_entry_out.self))
        let node = NodeID(rawValue: entry.nodeid)
        _ = try call(FUSEMessage(.getattr, node: node).with(fuse_getattr_in()))
        let open = FUSEMessage(.open, node: node).with(fuse_open_in(flags: UInt32(O_RDWR), open_flags: 0))
        let handle = try #require(try call(open).structure(fuse_open_out.self)).fh
        var reading = fuse_read_in()
        (reading.fh, reading.size) = (handle, 4096)
        _ = try call(FUSEMessage(.read, node: node).with(reading))
        var writing = fuse_write_in()
        (writing.fh, writing.size) = (handle, 3)
        _ = try call(FUSEMessage(.write, node: node).with(writing).with(bytes: [1, 2, 3]))
        _ = try call(FUSEMessage(.lookup).with(name: "nothing"))
        _ = try call(FUSEMessage(.mkdir).with(fuse_mkdir_in(mode: 0o755, umask: 0)).with(name: "new"))
        let opened = try call(FUSEMessage(.opendir).with(fuse_open_in()))
        reading.fh = try #require(opened.structure(fuse_open_out.self)).fh
        _ = try call(FUSEMessage(.readdirplus).with(reading))
        var release = fuse_release_in()
        release.fh = handle
        _ = try call(FUSEMessage(.release, node: node).with(release))
        let forget = FUSEMessage(.forget, node: node).with(fuse_forget_in(nlookup: 1)).bytes
        _ = try driver.hiprio.send(forget, writable: [])
        _ = try call(FUSEMessage(.destroy))
    }

    private func record(_ share: TemporaryFolder) throws {
        let recorder = try Recorder(path: file)
        let driver = try MockDriver(try device(share, recorder.tap))
        try driver.bringUp()
        try traffic(driver)
        driver.transport.reset()
        #expect(recorder.error == nil)
    }

    private func differences(_ share: TemporaryFolder) throws -> (count: Int, first: Replay.Difference?) {
        var replay = Replay(try ReplayDevice(try device(share)))
        var reader = try RecordingReader(path: file)
        while let exchange = reader.next() {
            if let difference = try replay.run(exchange) { return (replay.count, difference) }
        }
        #expect(reader.error == nil)
        return (replay.count, nil)
    }

    @Test("What was recorded is answered in the same way by another device over such a folder")
    func same() throws {
        try record(share("content"))
        let (count, first) = try differences(share("content"))
        #expect(count == 13)
        #expect(first == nil, "\(first?.description ?? "")")
    }

    @Test("The first difference is told: what was read, and where")
    func different() throws {
        try record(share("content"))
        let (count, first) = try differences(share("consent"))
        // INIT, LOOKUP, GETATTR, OPEN, READ.
        #expect(count == 5)
        #expect(first?.opcode == Opcode.read.rawValue && first?.offset == 16 + 3)
        #expect(first.map { "\($0)" }?.hasPrefix("exchange 4 (read): byte 19 of the answer differs") == true)
        let (_, missing) = try differences(TemporaryFolder())
        #expect(missing?.number == 1 && missing?.opcode == Opcode.lookup.rawValue)
    }

    @Test("The bytes are those of the wire, with queue and times")
    func content() throws {
        try record(share("content"))
        var reader = try RecordingReader(path: file)
        var all: [RecordedExchange] = []
        while let exchange = reader.next() { all.append(exchange) }
        #expect(all.map(\.queue) == Array(repeating: 1, count: 11) + [0, 1])
        #expect(all.allSatisfy { $0.start <= $0.end })
        for exchange in all {
            let header = exchange.request.withUnsafeBytes { $0.loadUnaligned(as: fuse_in_header.self) }
            #expect(Int(header.len) == exchange.request.count)
            guard let reply = FUSEReply(exchange.reply) else {
                #expect(header.opcode == Opcode.forget.rawValue)
                continue
            }
            #expect(reply.isWellFormed(unique: header.unique, usedLength: UInt32(exchange.reply.count)))
        }
        #expect(all[4].reply.dropFirst(16).elementsEqual(Array("content".utf8)))
    }

    @Test("A file that was cut anywhere, or holds anything, is read as far as it makes sense and harms nobody")
    func hostile() throws {
        try record(share("content"))
        let whole = try place.content("recording")
        for length in 0..<whole.count {
            var count = 0
            guard var reader = try? RecordingReader(Array(whole.prefix(length))) else {
                #expect(length < 16)
                continue
            }
            while reader.next() != nil { count += 1 }
            #expect(count < 13 && (reader.error == nil || reader.error == .entry(number: count)))
        }
        var random = SeededGenerator(seed: 7)
        var errors = 0
        for _ in 0..<2000 {
            var broken = whole
            for _ in 0..<8 {
                broken[Int.random(in: 16..<whole.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            var reader = try RecordingReader(broken)
            let fields = { (exchange: RecordedExchange) in
                Opcode.allCases.map {
                    WireFields.request($0, exchange.request).count + WireFields.reply($0, exchange.reply).count
                }
            }
            while let exchange = reader.next() { _ = fields(exchange) }
            if reader.error != nil { errors += 1 }
        }
        #expect(errors > 0)
        #expect(throws: RecordingError.notARecording) { try RecordingReader(Array("#!/bin/sh and more".utf8)) }
        var later = Array(whole)
        later[8] = 3
        #expect(throws: RecordingError.version(3)) { try RecordingReader(later) }
        // Settings that are longer than the file.
        var long = Array(whole.prefix(16))
        long[15] = 1
        #expect(throws: RecordingError.notARecording) { try RecordingReader(long) }
    }

    /// FORGET goes another way than LOOKUP, so either may take effect first, in the recording and in the replay.
    @Test("A node that was forgotten may have another number when it is looked up again; one that was not may not")
    func forgottenNode() {
        func answer(_ node: UInt64) -> [UInt8] {
            var entry = fuse_entry_out()
            (entry.nodeid, entry.attr.ino) = (node, 7)
            return [UInt8](repeating: 0, count: 16) + withUnsafeBytes(of: entry) { Array($0) }
        }
        func isSame(_ map: inout ReplayMap, _ recorded: UInt64, _ found: UInt64) -> Bool {
            var reply = answer(found)
            map.reconcile(answer(recorded), &reply, WireFields.reply(.lookup, answer(recorded)))
            return reply == answer(recorded)
        }
        var map = ReplayMap()
        #expect(isSame(&map, 2, 1002) && isSame(&map, 2, 1002))
        #expect(!isSame(&map, 2, 1003))
        let forget = FUSEMessage(.forget, node: NodeID(rawValue: 2)).with(fuse_forget_in(nlookup: 1)).bytes
        map.forget(forget, WireFields.request(.forget, forget))
        #expect(isSame(&map, 2, 1003))
        #expect(!isSame(&map, 2, 1004))
        #expect(Array(map.translate(forget, WireFields.request(.forget, forget))[16..<18]) == [0xEB, 0x03])
    }
}
