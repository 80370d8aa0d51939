import CKernel
import FUSEWire
import Testing
import Virtio
import VirtioTestSupport

/// split.framing.device-any-layout, fs.req.device-reply-layout, fs.req.device-out-length: however a message is cut into
/// descriptors, the device reads and writes the same bytes, and says exactly how many.
struct ChainLayoutTests {
    private static let data = (0..<100).map { UInt8($0) }

    /// Ways to cut a READ of 100 bytes and the room for its reply.
    private static let readCuts: [([Int], [Int])] = [
        ([], [116]),
        ([], [16, 100]),
        ([40, 40], [8, 8, 100]),
        ([40, 8, 8, 8, 8, 8], [1, 2, 3, 4, 6, 50, 50]),
        ([1, 1, 1, 37, 39], [15, 1, 99, 1]),
        ([39, 2], [17, 99]),
        ([], [16, 100, 4096]),
        ([], [0, 16, 0, 100, 0]),
    ]

    @Test("READ in any cut and any table layout", arguments: readCuts, ChainLayout.allCases)
    func read(cuts: ([Int], [Int]), layout: ChainLayout) throws {
        let test = try DeviceUnderTest()
        try test.folder.add("file", Self.data)
        try test.open()
        let node = try test.lookup("file")
        let handle = try test.open(node)
        let reply = try test.call(
            .read(node, handle: handle, size: 100), cuts: cuts.0, writable: cuts.1, layout: layout)
        #expect(reply.payload == Self.data)
        // A short reply: the used length is what was written, not what there was room for.
        let tail = try test.call(
            .read(node, handle: handle, offset: 90, size: 100), cuts: cuts.0, writable: cuts.1, layout: layout)
        #expect(tail.payload == Array(Self.data[90...]))
    }

    @Test("Request and reply in descriptors of one byte each", arguments: ChainLayout.allCases)
    func singleBytes(layout: ChainLayout) throws {
        let test = try DeviceUnderTest()
        try test.folder.add("file", Self.data)
        try test.driver.bringUp(queueSize: 512)
        let ones = [Int](repeating: 1, count: 200)
        #expect(try test.call(.initialize(), cuts: ones, writable: ones, layout: layout).errno == 0)
        let lookup = try test.call(FUSEMessage(.lookup).with(name: "file"), cuts: ones, writable: ones, layout: layout)
        let node = NodeID(rawValue: try #require(lookup.structure(fuse_entry_out.self)).nodeid)
        let handle = try test.open(node)
        let data = (0..<100).map { UInt8(200 - $0) }
        let written = try test.call(
            .write(node, handle: handle, data), cuts: ones, writable: [Int](repeating: 1, count: 24), layout: layout)
        #expect(written.structure(fuse_write_out.self)?.size == 100)
        #expect(try test.folder.content("file") == data)
        let read = try test.call(.read(node, handle: handle, size: 100), cuts: ones, writable: ones, layout: layout)
        #expect(read.payload == data)
    }

    @Test("READDIR and READDIRPLUS into room in pieces give the same entries as into one", arguments: [false, true])
    func listing(plus: Bool) throws {
        let test = try DeviceUnderTest()
        for index in 0..<20 { try test.folder.add("file-\(index)") }
        try test.open()
        let opened = try test.call(FUSEMessage(.opendir).with(fuse_open_in()))
        var arguments = fuse_read_in()
        arguments.fh = try #require(opened.structure(fuse_open_out.self)).fh
        arguments.size = 8000
        let message = FUSEMessage(plus ? .readdirplus : .readdir).with(arguments)
        let whole = try test.call(message, writable: [8016])
        let pieces = try test.call(message, writable: [7, 100, 1, 4000, 4096])
        #expect(whole.payload.count == pieces.payload.count)
        let names = try #require(whole.entries(plus: plus)).map(\.name)
        #expect(names.count == 22)
        #expect(try #require(pieces.entries(plus: plus)).map(\.name) == names)
    }

    @Test("A reply that does not fit is refused before the operation has an effect")
    func tooLittleRoom() throws {
        let test = try DeviceUnderTest()
        try test.open()
        var create = fuse_create_in()
        (create.flags, create.mode) = (UInt32(O_RDWR), 0o600)
        let message = FUSEMessage(.create).with(create).with(name: "new")
        for room in [16, 17, 143, 159] {
            #expect(try test.call(message, writable: [room]).errno == EINVAL)
        }
        #expect(try test.call(FUSEMessage(.lookup).with(name: "new")).errno == ENOENT)
        #expect(try test.call(message, writable: [160]).errno == 0)
    }

    @Test("With no room for a reply's header the chain comes back empty, and nothing was done")
    func noRoom() throws {
        let test = try DeviceUnderTest()
        try test.open()
        let message = FUSEMessage(.mkdir).with(fuse_mkdir_in(mode: 0o700, umask: 0)).with(name: "new")
        for room in [[], [1], [15], [7, 8]] {
            #expect(try test.driver.requests.send(message.bytes, writable: room).usedLength == 0)
        }
        #expect(try test.call(FUSEMessage(.lookup).with(name: "new")).errno == ENOENT)
    }

    @Test("A header that is short, or lies about its length, is answered EINVAL")
    func lyingHeader() throws {
        let test = try DeviceUnderTest()
        try test.open()
        let bytes = FUSEMessage.getattr().bytes
        for length in [UInt32(0), 39, 57, 4096, .max] {
            var lie = bytes
            withUnsafeBytes(of: length) { lie.replaceSubrange(0..<4, with: $0) }
            let answer = try test.driver.requests.send(lie)
            #expect(answer.reply?.errno == EINVAL && answer.usedLength == 16)
        }
        for count in [1, 8, 39] {
            let answer = try test.driver.requests.send(Array(bytes.prefix(count)))
            #expect(answer.reply?.errno == EINVAL && answer.usedLength == 16)
        }
        let unread = try test.driver.requests.send([])
        #expect(unread.reply?.errno == EINVAL)
    }
}
