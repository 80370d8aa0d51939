import CKernel
import FUSEWire
import VirtioTestSupport

/// Makes requests of a session as a client would, and spoils some of them in a way that the seed determines.
struct RequestForge {
    var generator: SeededGenerator
    var pools = RequestPools()
    /// Whether values are drawn among the wrong ones, too.
    private var spoiling = false
    private var unique: UInt64 = 1

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// A request to send, and room for its reply.
    struct Request {
        var bytes: [UInt8]
        var room: Int

        var opcode: UInt32 { word(at: 4) }
        var unique: UInt64 {
            bytes.count < 40 ? 0 : bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self) }
        }
        var node: UInt64 {
            bytes.count < 40 ? 0 : bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 16, as: UInt64.self) }
        }

        /// A word of the header; zero when there is no whole header, as the device sees it.
        private func word(at offset: Int) -> UInt32 {
            bytes.count < 40 ? 0 : bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        }
    }

    mutating func next() -> Request {
        unique += 2
        if pools.hasTooManyHandles { return release() }
        if pools.hasTooManyNodes { return forgetMany() }
        spoiling = generator.once(in: 3)
        var request = makeAny()
        if generator.once(in: 4) { spoilBytes(&request) }
        return request
    }

    // MARK: values

    private mutating func chance(_ count: Int) -> Bool { generator.once(in: count) }

    /// - Parameter type: of file that the operation is for (`S_IFDIR` and so on), if not for any.
    private mutating func node(_ type: Int32 = 0) -> UInt64 {
        if spoiling && chance(4) {
            return generator.pick([0, 2, .max, 1 << 32, 1 << 63, generator.next()] + pools.stale)
        }
        let isAny = type == 0 || chance(8)
        let fitting = pools.nodes.filter { isAny || $0.type == UInt32(type) }
        guard let node = fitting.randomElement(using: &generator) else { return 1 }
        return type == S_IFDIR && chance(4) ? 1 : node.number
    }

    private mutating func handle(folder: Bool) -> RequestPools.Handle {
        if spoiling && chance(3) {
            let number = generator.pick([0, 1, .max, 1 << 32, generator.next()] + pools.stale)
            return .init(number: number, node: node(), isFolder: folder)
        }
        let fitting = pools.handles.filter { $0.isFolder == folder || (spoiling && $0.number % 3 == 0) }
        guard var handle = fitting.randomElement(using: &generator) else {
            return .init(number: 0, node: node(), isFolder: folder)
        }
        if spoiling && chance(4) { handle.node = node() }  // a handle of another inode
        return handle
    }

    private static let badNames: [[UInt8]] = {
        let names: [String] = [
            "", ".", "..", "/", "a/b", "../beside/secret", "/etc/passwd", "folder/../../above", "./file", "file/",
            String(repeating: "x", count: 256), String(repeating: "y", count: 5000), "nul\0nul", "\u{7F}",
        ]
        let terminated: [[UInt8]] = names.map { Array($0.utf8) + [0] }
        let others: [[UInt8]] = [Array("unterminated".utf8), [0xFF, 0xFE, 0], []]
        return terminated + others
    }()

    private mutating func name() -> [UInt8] {
        guard spoiling && chance(2) else { return Array(generator.pick(RequestPools.names).utf8) + [0] }
        return generator.pick(Self.badNames)
    }

    private mutating func offset() -> UInt64 {
        if spoiling && chance(2) {
            let edges: [UInt64] = [.max, .max - 4095, 1 << 63, .max >> 1, 1 << 44]
            return chance(6) ? generator.next() : generator.pick(edges)
        }
        return generator.pick([0, 0, 1, 4096, 4999, 100_000])
    }

    private mutating func size() -> UInt32 {
        if spoiling && chance(2) {
            let edges: [UInt32] = [.max, 1 << 31, 1 << 20, 1_048_577, .max - 15, 0]
            return generator.pick(edges)
        }
        return generator.pick([0, 1, 100, 4096, 8192])
    }

    private mutating func flags() -> UInt32 {
        if spoiling && chance(2) { return UInt32(truncatingIfNeeded: generator.next()) }
        return generator.pick([
            0, UInt32(O_RDWR), UInt32(O_WRONLY), UInt32(O_RDWR | O_TRUNC), UInt32(O_RDONLY | O_APPEND),
        ])
    }

    private mutating func mode() -> UInt32 {
        let types = [S_IFREG, S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFDIR, S_IFLNK, 0].map { UInt32($0) }
        return generator.pick(types) | (spoiling ? UInt32(truncatingIfNeeded: generator.next()) & 0o7777 : 0o755)
    }

    // MARK: requests

    private mutating func message(_ opcode: Opcode, _ node: UInt64) -> FUSEMessage {
        var message = FUSEMessage(opcode, node: NodeID(rawValue: node), unique: unique)
        let ids: [UInt32] = spoiling ? [0, 1000, .max, UInt32(truncatingIfNeeded: generator.next())] : [0, 1000]
        (message.header.uid, message.header.gid) = (generator.pick(ids), generator.pick(ids))
        return message
    }

    private func request(_ message: FUSEMessage, room: Int = 200) -> Request {
        Request(bytes: message.bytes, room: 16 + room)
    }

    private mutating func makeAny() -> Request {
        if chance(400) { return request(message(chance(2) ? .destroy : .initialize, 0).with(initialOffer())) }
        if chance(300) { return transfer(generator.pick([.fsync, .fsyncdir])) }
        let opcodes: [Opcode] = [
            .lookup, .lookup, .lookup, .lookup, .getattr, .getattr, .setattr, .setattr, .readlink, .readlink, .symlink,
            .mknod, .mkdir, .mkdir, .unlink, .rmdir, .rename, .rename2, .link, .open, .open, .open, .read, .read,
            .write,
            .write, .statfs, .flush, .release, .opendir, .opendir, .readdir, .readdir, .readdirplus, .readdirplus,
            .releasedir, .access, .create, .create, .create, .forget, .batchForget, .interrupt,
        ]
        let opcode = generator.pick(opcodes)
        switch opcode {
        case .lookup, .unlink, .rmdir: return request(message(opcode, node(S_IFDIR)).with(bytes: name()))
        case .getattr, .setattr, .access, .statfs, .readlink: return attributes(opcode)
        case .symlink, .mknod, .mkdir, .create, .link: return making(opcode)
        case .rename, .rename2: return renaming(opcode)
        case .open, .opendir: return opening(opcode)
        case .forget, .batchForget, .interrupt: return highPriority(opcode)
        default: return transfer(opcode)
        }
    }

    private mutating func initialOffer() -> fuse_init_in {
        var offer = fuse_init_in()
        offer.major = generator.pick([7, 7, 6, 8, .max])
        offer.minor = generator.pick([45, 38, 27, 26, 0, .max])
        offer.flags = UInt32(truncatingIfNeeded: generator.next())
        offer.flags2 = UInt32(truncatingIfNeeded: generator.next())
        return offer
    }

    private mutating func attributes(_ opcode: Opcode) -> Request {
        switch opcode {
        case .getattr:
            let handle = handle(folder: false)
            let named = chance(3)
            let arguments = fuse_getattr_in(getattr_flags: named ? 1 : 0, dummy: 0, fh: handle.number)
            return request(message(opcode, named ? handle.node : node()).with(arguments))
        case .setattr:
            var change = fuse_setattr_in()
            change.valid = UInt32(truncatingIfNeeded: generator.next()) & (spoiling ? .max : 0x7F)
            (change.fh, change.size, change.mode) = (handle(folder: false).number, offset(), mode())
            (change.uid, change.gid) = (generator.pick([0, 1000, .max]), generator.pick([0, 1000, .max]))
            (change.atime, change.mtime) = (offset(), offset())
            (change.atimensec, change.mtimensec) = (size(), size())
            return request(message(opcode, node()).with(change))
        case .access: return request(message(opcode, node()).with(fuse_access_in(mask: flags(), padding: 0)))
        case .readlink:
            return request(message(opcode, node(S_IFLNK)), room: Int(generator.pick([0, 1, 100, 4096] as [UInt32])))
        default: return request(message(opcode, node()))
        }
    }

    private mutating func making(_ opcode: Opcode) -> Request {
        let made = message(opcode, node(S_IFDIR))
        switch opcode {
        case .symlink:
            let targets = ["../beside/secret", "/etc/passwd", "file", "..", String(repeating: "t", count: 5000), ""]
            return request(made.with(bytes: name()).with(name: generator.pick(targets)))
        case .mknod:
            let arguments = fuse_mknod_in(mode: mode(), rdev: flags(), umask: 0, padding: 0)
            return request(made.with(arguments).with(bytes: name()))
        case .mkdir: return request(made.with(fuse_mkdir_in(mode: mode(), umask: 0)).with(bytes: name()))
        case .link: return request(made.with(fuse_link_in(oldnodeid: node(S_IFREG))).with(bytes: name()))
        default:
            var arguments = fuse_create_in()
            (arguments.flags, arguments.mode) = (flags(), mode())
            return request(made.with(arguments).with(bytes: name()))
        }
    }

    private mutating func renaming(_ opcode: Opcode) -> Request {
        let made = message(opcode, node(S_IFDIR))
        let with =
            opcode == .rename
            ? made.with(fuse_rename_in(newdir: node(S_IFDIR)))
            : made.with(
                fuse_rename2_in(newdir: node(S_IFDIR), flags: generator.pick([0, 1, 2, 4, 7, .max]), padding: 0))
        return request(with.with(bytes: name()).with(bytes: name()))
    }

    private mutating func opening(_ opcode: Opcode) -> Request {
        let arguments = fuse_open_in(flags: flags(), open_flags: spoiling ? flags() : 0)
        return request(message(opcode, node(opcode == .open ? S_IFREG : S_IFDIR)).with(arguments))
    }

    private mutating func transfer(_ opcode: Opcode) -> Request {
        let handle = handle(folder: [.readdir, .readdirplus, .releasedir, .fsyncdir].contains(opcode))
        let made = message(opcode, handle.node)
        switch opcode {
        case .read, .readdir, .readdirplus:
            var arguments = fuse_read_in()
            (arguments.fh, arguments.offset, arguments.size) = (handle.number, offset(), size())
            let room = chance(6) ? generator.pick([0, 1, 100, 4095]) : Int(min(arguments.size, 8192))
            return request(made.with(arguments), room: room)
        case .write:
            let data = [UInt8](repeating: UInt8(truncatingIfNeeded: unique), count: generator.pick([0, 1, 100, 4096]))
            var arguments = fuse_write_in()
            (arguments.fh, arguments.offset) = (handle.number, offset())
            arguments.size = spoiling && chance(3) ? size() : UInt32(data.count)
            if spoiling { arguments.write_flags = flags() }
            return request(made.with(arguments).with(bytes: data))
        case .fsync, .fsyncdir:
            return request(made.with(fuse_fsync_in(fh: handle.number, fsync_flags: flags(), padding: 0)))
        case .flush:
            return request(made.with(fuse_flush_in(fh: handle.number, unused: 0, padding: 0, lock_owner: 0)))
        default:
            var arguments = fuse_release_in()
            arguments.fh = handle.number
            return request(made.with(arguments))
        }
    }

    private mutating func highPriority(_ opcode: Opcode) -> Request {
        let count = spoiling ? generator.pick([0, 1, 2, .max, 1 << 63, generator.next()]) : 1
        switch opcode {
        case .interrupt: return request(message(opcode, 0).with(fuse_interrupt_in(unique: unique + 2)), room: -16)
        case .forget:
            let index = Int(generator.next() % UInt64(max(1, pools.nodes.count)))
            let node = pools.nodes.isEmpty ? 1 : pools.removeNode(at: index)
            return request(message(opcode, node).with(fuse_forget_in(nlookup: count)), room: -16)
        default:
            let node = pools.nodes.isEmpty ? 1 : pools.removeNode(at: 0)
            let claimed = spoiling && chance(2) ? size() : 2
            return request(
                message(opcode, 0).with(fuse_batch_forget_in(count: claimed, dummy: 0))
                    .with(fuse_forget_one(nodeid: node, nlookup: count))
                    .with(fuse_forget_one(nodeid: self.node(), nlookup: 0)), room: -16)
        }
    }

    // MARK: keeping within bounds

    private mutating func release() -> Request {
        let handle = pools.handles[0]
        var arguments = fuse_release_in()
        arguments.fh = handle.number
        spoiling = false
        // Taken for released even if the device does not agree.
        pools.removeHandle(handle.number)
        return request(message(handle.isFolder ? .releasedir : .release, handle.node).with(arguments))
    }

    private mutating func forgetMany() -> Request {
        spoiling = false
        var batch = message(.batchForget, 0).with(fuse_batch_forget_in(count: 100, dummy: 0))
        for _ in 0..<100 { batch = batch.with(fuse_forget_one(nodeid: pools.removeNode(at: 0), nlookup: 1)) }
        return request(batch, room: -16)
    }
}
