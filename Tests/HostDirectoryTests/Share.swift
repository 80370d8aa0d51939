import CKernel
import FUSEWire
import Glibc
import HostDirectory
import Syscalls
import SystemPackage
import Testing

@testable import VirtioFSDevice

/// A folder of its own under the temporary folder, a ``HostDirectory`` that serves it, and short ways to ask it. Beside
/// the folder lies `outside`, a file that no request may reach.
final class Share: @unchecked Sendable {
    let base: String
    let root: String
    let fs: HostDirectory
    private var descriptorsAtStart = 1
    private let lock = Lock()
    private var names: [UnsafeMutablePointer<CChar>] = []

    /// - Parameter asMount: mounts a tmpfs for the share, which somebody else has to unmount.
    init(
        _ options: HostDirectoryOptions = HostDirectoryOptions(), in folder: String = "/tmp", asMount: Bool = false
    ) throws {
        umask(0)  // as on the device's threads
        var template = Array((folder + "/hostdirectory-XXXXXX").utf8CString)
        let made = try #require(mkdtemp(&template))
        base = String(cString: made)
        root = base + "/share"
        CKernel.mkdir(root, 0o755)
        if asMount { try #require(CKernel.mount("none", root, "tmpfs", 0, "mode=755") == 0) }
        Self.write("outside", to: base + "/outside")
        fs = try HostDirectory(path: FilePath(root), options: options)
        descriptorsAtStart = allDescriptors
        _ = fs.begin(offered: InitFlags(rawValue: .max))
    }

    deinit {
        fs.end()
        for name in names { name.deallocate() }
        Self.removeTree(Array(base.utf8CString))
    }

    func path(_ name: String) -> String { root + "/" + name }

    // MARK: Requests

    func request(uid: UInt32 = geteuid(), gid: UInt32 = getegid()) -> Request {
        let request = Request()
        request.header.uid = uid
        request.header.gid = gid
        return request
    }

    /// A name as a request carries it: bytes, which need not be text.
    func name(_ bytes: [UInt8]) -> FileName {
        let memory = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { memory[index] = CChar(bitPattern: byte) }
        memory[bytes.count] = 0
        lock.withLock { names.append(memory) }
        return FileName(pointer: memory, count: bytes.count)
    }

    func name(_ text: String) -> FileName { name(Array(text.utf8)) }

    func lookup(_ text: String, in parent: NodeID = .root) throws(Errno) -> fuse_entry_out {
        try fs.lookup(parent, name(text), request())
    }

    func node(_ text: String, in parent: NodeID = .root) throws(Errno) -> NodeID {
        NodeID(rawValue: try lookup(text, in: parent).nodeid)
    }

    /// A node that has been used, and so is held, or was evicted since.
    func usedNode(_ text: String, in parent: NodeID = .root) throws(Errno) -> NodeID {
        let node = try node(text, in: parent)
        _ = try fs.getattr(node, nil, request())
        return node
    }

    func open(_ node: NodeID, _ flags: Int32) throws(Errno) -> UInt64 {
        try fs.open(node, fuse_open_in(flags: UInt32(bitPattern: flags), open_flags: 0), request()).fh
    }

    func create(_ text: String, _ flags: Int32 = O_RDWR, mode: UInt32 = 0o644) throws(Errno) -> (NodeID, UInt64) {
        let arguments = fuse_create_in(
            flags: UInt32(bitPattern: flags | O_CREAT), mode: mode, umask: 0, open_flags: 0)
        let reply = try fs.create(.root, name(text), arguments, request())
        return (NodeID(rawValue: reply.entry.nodeid), reply.open.fh)
    }

    func read(_ node: NodeID, _ handle: UInt64, at offset: UInt64 = 0, count: Int = 64) throws(Errno) -> String {
        var bytes = [UInt8](repeating: 0, count: count)
        let read = try transfer(&bytes) { segments throws(Errno) -> Int in
            let arguments = fuse_read_in(
                fh: handle, offset: offset, size: UInt32(count), read_flags: 0, lock_owner: 0, flags: 0, padding: 0)
            return try fs.read(node, arguments, into: segments, request())
        }
        return String(decoding: bytes[..<read], as: UTF8.self)
    }

    @discardableResult
    func write(
        _ text: String, _ node: NodeID, _ handle: UInt64, at offset: UInt64 = 0, flags: Int32 = 0,
        openFlags: Int32 = 0, as caller: Request? = nil
    ) throws(Errno) -> Int {
        var bytes = Array(text.utf8)
        return try transfer(&bytes) { segments throws(Errno) -> Int in
            let arguments = fuse_write_in(
                fh: handle, offset: offset, size: UInt32(segments[0].iov_len), write_flags: UInt32(flags),
                lock_owner: 0, flags: UInt32(bitPattern: openFlags), padding: 0)
            return try fs.write(node, arguments, from: segments, caller ?? request())
        }
    }

    private func transfer(
        _ bytes: inout [UInt8], _ body: (UnsafeBufferPointer<iovec>) throws(Errno) -> Int
    ) throws(Errno) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
        defer { buffer.deallocate() }
        buffer.copyBytes(from: bytes)
        var segment = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
        let count = try withUnsafePointer(to: &segment) { pointer throws(Errno) in
            try body(UnsafeBufferPointer(start: pointer, count: 1))
        }
        bytes = Array(buffer)
        return count
    }

    func release(_ node: NodeID, _ handle: UInt64, folder: Bool = false) throws(Errno) {
        var arguments = fuse_release_in()
        arguments.fh = handle
        if folder {
            try fs.releasedir(node, arguments, request())
        } else {
            try fs.release(node, arguments, request())
        }
    }

    @discardableResult
    func change(
        _ node: NodeID, as caller: Request? = nil, _ fields: (inout fuse_setattr_in) -> Void
    ) throws(Errno) -> fuse_attr {
        var arguments = fuse_setattr_in()
        fields(&arguments)
        return try fs.setattr(node, arguments, caller ?? request()).attr
    }

    // MARK: The host's side

    static func write(_ text: String, to path: String) {
        let file = fopen(path, "w")!
        fputs(text, file)
        fclose(file)
    }

    func contents(_ name: String) -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        guard let file = fopen(path(name), "r") else { return "" }
        defer { fclose(file) }
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    func status(_ name: String) -> stat {
        var status = stat()
        lstat(path(name), &status)
        return status
    }

    /// Descriptors of this process that hold something of this share, the root's one but not that of its mount.
    var descriptorCount: Int { 1 + allDescriptors - descriptorsAtStart }
    private var allDescriptors: Int {
        Self.names(in: "/proc/self/fd").count { name in
            var target = [CChar](repeating: 0, count: 4097)
            readlink("/proc/self/fd/" + name, &target, 4096)
            return target.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }.hasPrefix(base)
        }
    }

    static func names(in path: String) -> [String] {
        bytes(ofNamesIn: Array(path.utf8CString)).map { name in
            name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        }
    }

    /// Names that need not be text, each with its terminator, as `path` has one.
    private static func bytes(ofNamesIn path: [CChar]) -> [[CChar]] {
        guard let folder = Glibc.opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [[CChar]] = []
        while let entry = Glibc.readdir(folder) {
            let name = (UnsafeRawPointer(entry) + 19).assumingMemoryBound(to: CChar.self)  // d_name
            if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { continue }
            names.append(Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1)))
        }
        return names
    }

    private static func removeTree(_ path: [CChar]) {
        for name in bytes(ofNamesIn: path) {
            let child = path.dropLast() + [CChar(bitPattern: UInt8(ascii: "/"))] + name
            if unlink(child) != 0 { removeTree(child) }
        }
        rmdir(path)
    }
}

/// The error that `body` throws; success is one, too: zero.
func errorOf<Result>(_ body: () throws -> Result) -> Errno {
    do {
        _ = try body()
        return Errno(rawValue: 0)
    } catch {
        return error as? Errno ?? Errno(rawValue: -1)
    }
}

/// What the host says to a call.
func errorOfHost(_ call: () -> Int32) -> Errno { call() < 0 ? Errno(rawValue: errno) : Errno(rawValue: 0) }

extension Share {
    struct Listed {
        var name: [UInt8]
        var inode: UInt64
        var type: UInt32
        var cookie: UInt64
        var node: UInt64 = 0
        var text: String { String(decoding: name, as: UTF8.self) }
    }

    func opendir(_ node: NodeID) throws(Errno) -> UInt64 {
        try fs.opendir(node, fuse_open_in(flags: UInt32(O_DIRECTORY), open_flags: 0), request()).fh
    }

    /// One READDIR or READDIRPLUS, decoded.
    func readdir(
        _ node: NodeID, _ handle: UInt64, from offset: UInt64, size: Int, plus: Bool
    ) throws(Errno) -> [Listed] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
        defer { buffer.deallocate() }
        var writer = DirectoryEntryWriter(into: buffer)
        let arguments = fuse_read_in(
            fh: handle, offset: offset, size: UInt32(size), read_flags: 0, lock_owner: 0, flags: 0, padding: 0)
        try fs.readdir(node, arguments, plus: plus, into: &writer, request())
        return Self.decode(UnsafeRawBufferPointer(rebasing: buffer[..<writer.count]), plus: plus)
    }

    private static func decode(_ bytes: UnsafeRawBufferPointer, plus: Bool) -> [Listed] {
        var entries: [Listed] = []
        var start = 0
        while start < bytes.count {
            let header = start + (plus ? MemoryLayout<fuse_entry_out>.size : 0)
            let count = Int(bytes.load(fromByteOffset: header + 16, as: UInt32.self))
            entries.append(
                Listed(
                    name: Array(bytes[(header + 24)..<(header + 24 + count)]),
                    inode: bytes.load(fromByteOffset: header, as: UInt64.self),
                    type: bytes.load(fromByteOffset: header + 20, as: UInt32.self),
                    cookie: bytes.load(fromByteOffset: header + 8, as: UInt64.self),
                    node: plus ? bytes.load(fromByteOffset: start, as: UInt64.self) : 0))
            start += DirectoryEntryWriter.size(nameCount: count, plus: plus)
        }
        return entries
    }

    /// A whole listing.
    func list(
        _ node: NodeID, _ handle: UInt64, size: Int = 4096, plus: Bool, between: () -> Void = {}
    ) throws(Errno) -> [Listed] {
        var all: [Listed] = []
        while true {
            let some = try readdir(node, handle, from: all.last?.cookie ?? 0, size: size, plus: plus)
            if some.isEmpty { return all }
            all += some
            between()
        }
    }
}
