import CKernel
import FUSEWire
import Foundation
import HostDirectory
import ServeSupport
import Syscalls
import SystemPackage
import Testing
import Virtio
import VirtioFSDevice
import VirtioFSDriver
import VirtioTestSupport

@testable import Tracing

/// Recordings of a real guest (Fixtures/recordings): what Linux says, our client says in just the same bytes.
@Suite struct LinuxTests {
    /// A device that agrees with its client on what the recorded one has agreed on with Linux.
    private func transport(
        _ name: String, _ share: TemporaryFolder, _ tap: RequestTap? = nil
    ) throws -> InProcessTransport {
        var settings = try #require(DeviceSettings(tag: "test"))
        settings.service.tap = tap
        var options = HostDirectoryOptions()
        settings.limits.minor = try minorVersion(name)
        if name.hasSuffix("writeback") { (options.cache, options.writeback) = (.always, true) }
        let files = try HostDirectory(path: share.path, options: options)
        return InProcessTransport(device: VirtioFSDevice(files: files, settings: settings))
    }

    /// The protocol's minor version that Linux has offered.
    private func minorVersion(_ name: String) throws -> UInt32 {
        var reader = try RecordingReader(path: FilePath(RecordedShare.path(name)))
        let first = reader.next()
        return try #require(first).request.withUnsafeBytes {
            $0.loadUnaligned(fromByteOffset: 40, as: fuse_init_in.self)
        }.minor
    }

    @Test("The client says what Linux says in the same bytes", arguments: RecordedShare.names)
    func sameBytes(name: String) async throws {
        let share = try RecordedShare.make()
        let heard = Heard()
        let driver = try VirtioFSDriver(transport: try transport(name, share, heard.tap))
        let client = try await FUSEClient(driver: driver)
        var map = ReplayMap()
        var compared = Set<Opcode>()
        var reader = try RecordingReader(path: FilePath(RecordedShare.path(name)))
        while let exchange = reader.next() {
            guard let opcode = opcode(of: exchange.request) else { continue }
            let request = map.translate(exchange.request, WireFields.request(opcode, exchange.request))
            guard await client.says(opcode, request) else { continue }
            var said = try #require(heard.last)
            // The request's number is the client's own.
            said.request.replaceSubrange(8..<16, with: request[8..<16])
            #expect(said.request == request, "\(opcode)")
            map.reconcile(exchange.reply, &said.reply, WireFields.reply(opcode, exchange.reply))
            compared.insert(opcode)
        }
        var expected: Set<Opcode> = [
            .lookup, .getattr, .setattr, .readlink, .symlink, .mknod, .mkdir, .unlink, .rmdir, .link, .open, .read,
            .release, .flush, .create, .opendir, .readdirplus, .releasedir, .rename, .statfs, .fsync, .fsyncdir,
            .fallocate, .syncfs,
        ]
        // Swift's programs, which say the others, don't run in a guest of that kernel here.
        if name != "linux-6.12" {
            expected.formUnion([
                .readdir, .setxattr, .getxattr, .listxattr, .removexattr, .lseek, .copyFileRange, .tmpfile, .rename2,
                .setlk,
            ])
        }
        if !name.hasSuffix("writeback") { expected.insert(.write) }
        #expect(compared.isSuperset(of: expected), "not compared: \(expected.subtracting(compared))")
        await client.close()
        driver.shutDown()
    }

    private func opcode(of request: [UInt8]) -> Opcode? {
        Opcode(rawValue: request.withUnsafeBytes { $0.loadUnaligned(as: fuse_in_header.self) }.opcode)
    }
}

/// The exchange that a device heard last.
private final class Heard: @unchecked Sendable {
    private let lock = Lock()
    private var exchange: (request: [UInt8], reply: [UInt8])?

    var last: (request: [UInt8], reply: [UInt8])? { lock.withLock { exchange } }

    var tap: RequestTap {
        RequestTap { [self] heard in
            var request: [UInt8] = []
            for part in heard.readable { request += UnsafeRawBufferPointer(start: part.iov_base, count: part.iov_len) }
            var reply: [UInt8] = []
            for part in heard.writable { reply += UnsafeRawBufferPointer(start: part.iov_base, count: part.iov_len) }
            lock.withLock { exchange = (request, Array(reply.prefix(Int(heard.written)))) }
        }
    }
}

extension FUSEClient {
    /// Makes the call that a request stands for; false where there is no such call.
    fileprivate func says(_ opcode: Opcode, _ request: [UInt8]) async -> Bool {
        let header = request.withUnsafeBytes { $0.loadUnaligned(as: fuse_in_header.self) }
        let node = NodeID(rawValue: header.nodeid)
        func arguments<Value: BitwiseCopyable>(_ type: Value.Type) -> Value {
            request.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 40, as: type) }
        }
        func names(_ size: Int) -> [EntryName] {
            request.dropFirst(40 + size).split(separator: 0, omittingEmptySubsequences: false).map { EntryName($0) }
        }
        func caller(umask: UInt32 = 0o022) -> Caller {
            Caller(uid: header.uid, gid: header.gid, pid: header.pid, umask: umask)
        }
        do {
            switch opcode {
            case .lookup: _ = try await lookup(node, names(0)[0], as: caller())
            case .getattr:
                let given = arguments(fuse_getattr_in.self)
                let handle = given.getattr_flags == 0 ? nil : FileHandle(rawValue: given.fh)
                _ = try await getattr(node, handle, as: caller())
            case .setattr: _ = try await setattr(node, arguments(fuse_setattr_in.self), as: caller())
            case .readlink: _ = try await readlink(node, as: caller())
            case .symlink: _ = try await symlink(node, names(0)[0], target: names(0)[1], as: caller())
            case .mknod:
                let given = arguments(fuse_mknod_in.self)
                _ = try await mknod(
                    node, names(16)[0], mode: given.mode, device: given.rdev, as: caller(umask: given.umask))
            case .mkdir:
                let given = arguments(fuse_mkdir_in.self)
                _ = try await mkdir(node, names(8)[0], mode: given.mode, as: caller(umask: given.umask))
            case .unlink: try await unlink(node, names(0)[0], as: caller())
            case .rmdir: try await rmdir(node, names(0)[0], as: caller())
            case .rename:
                let target = NodeID(rawValue: arguments(fuse_rename_in.self).newdir)
                try await rename(node, names(8)[0], to: target, names(8)[1], as: caller())
            case .rename2:
                let given = arguments(fuse_rename2_in.self)
                let target = NodeID(rawValue: given.newdir)
                try await rename(node, names(16)[0], to: target, names(16)[1], flags: given.flags, as: caller())
            case .link:
                let old = NodeID(rawValue: arguments(fuse_link_in.self).oldnodeid)
                _ = try await link(old, to: node, names(8)[0], as: caller())
            case .create:
                let given = arguments(fuse_create_in.self)
                _ = try await create(
                    node, names(16)[0], mode: given.mode & 0o7777, flags: Int32(bitPattern: given.flags),
                    as: caller(umask: given.umask))
            case .open:
                _ = try await open(node, flags: Int32(bitPattern: arguments(fuse_open_in.self).flags), as: caller())
            case .read:
                let given = arguments(fuse_read_in.self)
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(given.size), alignment: 8)
                defer { buffer.deallocate() }
                _ = try await read(
                    node, FileHandle(rawValue: given.fh), at: given.offset, into: buffer,
                    flags: Int32(bitPattern: given.flags), as: caller())
            case .write:
                let given = arguments(fuse_write_in.self)
                // The client has no page cache that writes by itself.
                guard given.write_flags & UInt32(FUSE_WRITE_CACHE) == 0 else { return false }
                let data = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(given.size), alignment: 8)
                defer { data.deallocate() }
                data.copyBytes(from: request.dropFirst(80))
                _ = try await write(
                    node, FileHandle(rawValue: given.fh), at: given.offset, from: UnsafeRawBufferPointer(data),
                    flags: Int32(bitPattern: given.flags), as: caller())
            case .flush:
                let given = arguments(fuse_flush_in.self)
                try await flush(node, FileHandle(rawValue: given.fh), owner: given.lock_owner, as: caller())
            case .release, .releasedir:
                let given = arguments(fuse_release_in.self)
                let (handle, flags) = (FileHandle(rawValue: given.fh), Int32(bitPattern: given.flags))
                if opcode == .releasedir {
                    try await releasedir(node, handle, flags: flags, as: caller())
                } else {
                    try await release(node, handle, flags: flags, as: caller())
                }
            case .opendir:
                let flags = Int32(bitPattern: arguments(fuse_open_in.self).flags)
                _ = try await opendir(node, flags: flags, as: caller())
            case .readdir, .readdirplus:
                let given = arguments(fuse_read_in.self)
                let (handle, flags) = (FileHandle(rawValue: given.fh), Int32(bitPattern: given.flags))
                if opcode == .readdirplus {
                    _ = try await readdirplus(
                        node, handle, after: given.offset, size: Int(given.size), flags: flags, as: caller())
                } else {
                    _ = try await readdir(
                        node, handle, after: given.offset, size: Int(given.size), flags: flags, as: caller())
                }
            case .statfs: _ = try await statfs(node, as: caller())
            case .syncfs: try await syncfs(as: caller())
            case .fsync, .fsyncdir:
                let given = arguments(fuse_fsync_in.self)
                let (handle, dataOnly) = (FileHandle(rawValue: given.fh), given.fsync_flags != 0)
                if opcode == .fsync {
                    try await fsync(node, handle, dataOnly: dataOnly, as: caller())
                } else {
                    try await fsyncdir(node, handle, dataOnly: dataOnly, as: caller())
                }
            case .fallocate:
                let given = arguments(fuse_fallocate_in.self)
                try await fallocate(
                    node, FileHandle(rawValue: given.fh), at: given.offset, length: given.length, mode: given.mode,
                    as: caller())
            case .lseek:
                let given = arguments(fuse_lseek_in.self)
                _ = try await lseek(
                    node, FileHandle(rawValue: given.fh), to: given.offset, whence: given.whence, as: caller())
            case .copyFileRange:
                let given = arguments(fuse_copy_file_range_in.self)
                _ = try await copyFileRange(
                    from: (node, FileHandle(rawValue: given.fh_in), given.off_in),
                    to: (NodeID(rawValue: given.nodeid_out), FileHandle(rawValue: given.fh_out), given.off_out),
                    count: given.len, flags: given.flags, as: caller())
            case .getlk, .setlk, .setlkw:
                let given = arguments(fuse_lk_in.self)
                let handle = FileHandle(rawValue: given.fh)
                if opcode == .getlk {
                    _ = try await getlk(node, handle, owner: given.owner, given.lk, as: caller())
                } else if given.lk_flags & UInt32(FUSE_LK_FLOCK) != 0 {
                    try await flock(
                        node, handle, owner: given.owner, type: Int32(given.lk.type), waits: opcode == .setlkw,
                        as: caller())
                } else {
                    try await setlk(
                        node, handle, owner: given.owner, given.lk, waits: opcode == .setlkw, as: caller())
                }
            case .getxattr:
                let size = Int(arguments(fuse_getxattr_in.self).size)
                if size == 0 {
                    _ = try await getxattrSize(node, names(8)[0], as: caller())
                } else {
                    _ = try await getxattr(node, names(8)[0], size: size, as: caller())
                }
            case .listxattr:
                let size = Int(arguments(fuse_getxattr_in.self).size)
                if size == 0 {
                    _ = try await listxattrSize(node, as: caller())
                } else {
                    _ = try await listxattr(node, size: size, as: caller())
                }
            case .tmpfile:
                let given = arguments(fuse_create_in.self)
                _ = try await tmpfile(
                    node, mode: given.mode & 0o7777, flags: Int32(bitPattern: given.flags),
                    as: caller(umask: given.umask))
            case .setxattr:
                let size = negotiated.contains(.setxattrExtended) ? 16 : 8
                let flags = request.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 44, as: UInt32.self) }
                let name = names(size)[0]
                let value = Array(request.dropFirst(40 + size + name.bytes.count + 1))
                try await setxattr(node, name, value, flags: flags, as: caller())
            case .removexattr: try await removexattr(node, names(0)[0], as: caller())
            default: return false
            }
        } catch {}
        return true
    }
}
