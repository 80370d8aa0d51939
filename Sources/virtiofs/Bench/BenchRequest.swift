import CKernel
import FUSEWire

/// A request of a measurement. All but INIT fit a head, apart from the data of a WRITE, which is whatever is there.
struct BenchRequest {
    let opcode: Opcode
    private let node: NodeID
    private var arguments = InlineArray<64, UInt8>(repeating: 0)
    private var count = 0
    /// Bytes of data behind the head.
    private var dataCount = 0

    private static let headerSize = MemoryLayout<fuse_in_header>.size
    /// Who measures. Asked once: a system call for each request would be measured, too.
    private static let caller = (user: geteuid(), group: getegid(), process: UInt32(getpid()))

    init(_ opcode: Opcode, _ node: NodeID) {
        self.opcode = opcode
        self.node = node
    }

    /// Bytes of the whole request.
    var length: Int { Self.headerSize + count + dataCount }

    func with<Value: BitwiseCopyable>(_ value: Value) -> BenchRequest {
        withUnsafeBytes(of: value) { appending($0) }
    }

    /// Appends a name of at most 23 bytes.
    func with(name: String) -> BenchRequest {
        var name = name
        // A string with a zero behind it would be made anew for each request.
        return name.withUTF8 { appending(UnsafeRawBufferPointer($0)) }.with(UInt8(0))
    }

    func with(dataCount: Int) -> BenchRequest {
        var longer = self
        longer.dataCount = dataCount
        return longer
    }

    private func appending(_ bytes: UnsafeRawBufferPointer) -> BenchRequest {
        precondition(count + bytes.count <= 64, "it is no longer than INIT")
        var longer = self
        withUnsafeMutableBytes(of: &longer.arguments) { room in
            UnsafeMutableRawBufferPointer(rebasing: room[count...]).copyMemory(from: bytes)
        }
        longer.count += bytes.count
        return longer
    }

    /// Writes header and arguments; how many bytes they are.
    func write(to head: UnsafeMutableRawBufferPointer, id: UInt64) -> Int {
        let header = fuse_in_header(
            len: UInt32(length), opcode: opcode.rawValue, unique: id, nodeid: node.rawValue, uid: Self.caller.user,
            gid: Self.caller.group, pid: Self.caller.process, total_extlen: 0, padding: 0)
        head.storeBytes(of: header, as: fuse_in_header.self)
        withUnsafeBytes(of: arguments) { bytes in
            UnsafeMutableRawBufferPointer(rebasing: head[Self.headerSize...]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        }
        return Self.headerSize + count
    }

    /// The whole request, with id 2; without data.
    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.headerSize + 64)
        let count = bytes.withUnsafeMutableBytes { write(to: $0, id: 2) }
        return Array(bytes[..<count])
    }
}

// MARK: - The requests that are measured

extension BenchRequest {
    static func getattr(_ node: NodeID) -> BenchRequest { BenchRequest(.getattr, node).with(fuse_getattr_in()) }

    static func lookup(_ name: String, in parent: NodeID) -> BenchRequest {
        BenchRequest(.lookup, parent).with(name: name)
    }

    static func open(_ node: NodeID, folder: Bool = false) -> BenchRequest {
        let flags = folder ? O_RDONLY | O_DIRECTORY : O_RDWR
        return BenchRequest(folder ? .opendir : .open, node).with(fuse_open_in(flags: UInt32(flags), open_flags: 0))
    }

    static func release(_ node: NodeID, _ handle: UInt64, folder: Bool = false) -> BenchRequest {
        var arguments = fuse_release_in()
        arguments.fh = handle
        return BenchRequest(folder ? .releasedir : .release, node).with(arguments)
    }

    /// READ, or READDIRPLUS of a folder.
    static func read(
        _ node: NodeID, _ handle: UInt64, at offset: UInt64, count: Int, as opcode: Opcode = .read
    ) -> BenchRequest {
        var arguments = fuse_read_in()
        arguments.fh = handle
        arguments.offset = offset
        arguments.size = UInt32(count)
        return BenchRequest(opcode, node).with(arguments)
    }

    static func write(_ node: NodeID, _ handle: UInt64, at offset: UInt64, count: Int) -> BenchRequest {
        var arguments = fuse_write_in()
        arguments.fh = handle
        arguments.offset = offset
        arguments.size = UInt32(count)
        return BenchRequest(.write, node).with(arguments).with(dataCount: count)
    }

    static func create(_ name: String, in parent: NodeID) -> BenchRequest {
        let flags = UInt32(O_CREAT | O_EXCL | O_RDWR)
        return BenchRequest(.create, parent)
            .with(fuse_create_in(flags: flags, mode: 0o100644, umask: 0o022, open_flags: 0)).with(name: name)
    }

    static func unlink(_ name: String, in parent: NodeID, as opcode: Opcode = .unlink) -> BenchRequest {
        BenchRequest(opcode, parent).with(name: name)
    }

    static func makeFolder(_ name: String, in parent: NodeID) -> BenchRequest {
        BenchRequest(.mkdir, parent).with(fuse_mkdir_in(mode: 0o755, umask: 0o022)).with(name: name)
    }

    static func forget(_ node: NodeID, count: UInt64) -> BenchRequest {
        BenchRequest(.forget, node).with(fuse_forget_in(nlookup: count))
    }
}
