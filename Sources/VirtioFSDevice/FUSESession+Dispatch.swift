import CKernel
import FUSEWire
import SystemPackage

extension FUSESession {
    /// Decodes a request and calls the file system; one line an operation, more where the wire has more to say.
    ///
    /// - Returns: bytes of payload written behind the reply's header.
    func dispatch(_ exchange: Exchange) throws(Errno) -> Int {
        let request = exchange.request
        guard let opcode = Opcode(rawValue: request.header.opcode) else { throw .noFunction }
        guard isEstablished || opcode == .initialize else { throw .ioError }
        // READ and WRITE carry data that is never copied here; BATCH_FORGET can be longer than any copy.
        let limit = Exchange.headerSize + MemoryLayout<fuse_write_in>.size
        let carriesData = opcode == .write || opcode == .batchForget
        var cursor = try carriesData ? exchange.arguments(limit: limit) : exchange.arguments()
        let capacity = try replyCapacity(exchange, opcode)
        let node = NodeID(rawValue: request.header.nodeid)
        try readExtensions(exchange)
        switch opcode {
        case .read:
            let arguments = try cursor.take(fuse_read_in.self)
            guard Int(arguments.size) <= capacity else { throw .invalidArgument }
            return try files.read(node, arguments, into: exchange.replyPayload(count: Int(arguments.size)), request)
        case .write: return try write(exchange, &cursor, node)
        case .getattr: return exchange.reply(with: try getattr(exchange, &cursor, node))
        case .lookup: return exchange.reply(with: try files.lookup(node, cursor.takeName(), request))
        case .open:
            return exchange.reply(with: try files.open(node, cursor.take(fuse_open_in.self), request))
        case .release:
            try files.release(node, cursor.take(fuse_release_in.self), request)
            return 0
        case .flush:
            try files.flush(node, cursor.take(fuse_flush_in.self), request)
            return 0
        case .create: return try create(exchange, &cursor, node)
        case .unlink:
            try files.unlink(node, cursor.takeName(), request)
            return 0
        case .setattr:
            return exchange.reply(with: try files.setattr(node, cursor.take(fuse_setattr_in.self), request))
        case .readdir: return try readdir(exchange, &cursor, node, capacity: capacity, plus: false)
        case .readdirplus: return try readdir(exchange, &cursor, node, capacity: capacity, plus: true)
        case .opendir:
            return exchange.reply(with: try files.opendir(node, cursor.take(fuse_open_in.self), request))
        case .releasedir:
            try files.releasedir(node, cursor.take(fuse_release_in.self), request)
            return 0
        case .mkdir:
            let arguments = try cursor.take(fuse_mkdir_in.self)
            return exchange.reply(with: try files.mkdir(node, cursor.takeName(), arguments, request))
        case .rmdir:
            try files.rmdir(node, cursor.takeName(), request)
            return 0
        case .mknod:
            let arguments = try cursor.take(fuse_mknod_in.self)
            return exchange.reply(with: try files.mknod(node, cursor.takeName(), arguments, request))
        case .symlink:
            let name = try cursor.takeName()
            return exchange.reply(with: try files.symlink(node, name, target: cursor.takeName(), request))
        case .readlink:
            return try exchange.reply(upTo: capacity) { buffer throws(Errno) in
                try files.readlink(node, into: buffer, request)
            }
        case .link:
            let source = NodeID(rawValue: try cursor.take(fuse_link_in.self).oldnodeid)
            return exchange.reply(with: try files.link(source, to: node, cursor.takeName(), request))
        case .rename:
            return try rename(&cursor, node, to: cursor.take(fuse_rename_in.self).newdir, flags: 0, request)
        case .rename2:
            let arguments = try cursor.take(fuse_rename2_in.self)
            return try rename(&cursor, node, to: arguments.newdir, flags: arguments.flags, request)
        case .fsync:
            try files.fsync(node, cursor.take(fuse_fsync_in.self), request)
            return 0
        case .fsyncdir:
            try files.fsyncdir(node, cursor.take(fuse_fsync_in.self), request)
            return 0
        case .access:
            try files.access(node, mask: cursor.take(fuse_access_in.self).mask, request)
            return 0
        case .statfs: return exchange.reply(with: fuse_statfs_out(st: try files.statfs(node, request)))
        case .forget:
            files.forget(node, count: try cursor.take(fuse_forget_in.self).nlookup)
            return 0
        case .batchForget: return try batchForget(exchange, &cursor)
        case .interrupt:
            interrupts.interrupt(RequestID(rawValue: try cursor.take(fuse_interrupt_in.self).unique))
            return 0
        case .initialize: return try initialize(exchange, &cursor)
        case .destroy: return destroy()
        case .setxattr: return try setxattr(exchange, &cursor, node)
        case .getxattr: return try getxattr(exchange, &cursor, node, capacity: capacity)
        case .listxattr: return try listxattr(exchange, &cursor, node, capacity: capacity)
        case .removexattr:
            try files.removexattr(node, cursor.takeName(), request)
            return 0
        case .fallocate:
            try files.fallocate(node, cursor.take(fuse_fallocate_in.self), request)
            return 0
        case .lseek:
            let offset = try files.lseek(node, cursor.take(fuse_lseek_in.self), request)
            return exchange.reply(with: fuse_lseek_out(offset: offset))
        case .copyFileRange: return try copyFileRange(exchange, &cursor, node)
        case .copyFileRange64:
            let copied = try files.copyFileRange(node, cursor.take(fuse_copy_file_range_in.self), request)
            return exchange.reply(with: fuse_copy_file_range_out(bytes_copied: copied))
        case .syncfs:
            _ = try cursor.take(fuse_syncfs_in.self)
            try files.syncfs(node, request)
            return 0
        case .tmpfile:
            let arguments = try cursor.take(fuse_create_in.self)
            // Linux gives the file a name, which it doesn't have (fuse_tmpfile of fs/fuse/dir.c).
            _ = try cursor.takeName()
            let created = try files.tmpfile(node, arguments, request)
            return exchange.reply(with: CreateReply(entry: created.entry, open: created.open))
        case .statx: return exchange.reply(with: try statx(exchange, &cursor, node))
        case .ioctl: return try ioctl(exchange, &cursor, node, capacity: capacity)
        case .poll:
            let events = try files.poll(node, cursor.take(fuse_poll_in.self), request)
            return exchange.reply(with: fuse_poll_out(revents: events, padding: 0))
        case .getlk:
            return exchange.reply(with: fuse_lk_out(lk: try files.getlk(node, cursor.take(fuse_lk_in.self), request)))
        case .setlk:
            try files.setlk(node, cursor.take(fuse_lk_in.self), waits: false, request)
            return 0
        case .setlkw:
            try files.setlk(node, cursor.take(fuse_lk_in.self), waits: true, request)
            return 0
        case .bmap, .notifyReply, .setupMapping, .removeMapping: throw .noFunction
        }
    }

    /// Bytes that the reply can have behind its header. An operation whose whole reply does not fit is refused before
    /// it has any effect.
    private func replyCapacity(_ exchange: Exchange, _ opcode: Opcode) throws(Errno) -> Int {
        guard !opcode.hasNoReply else { return 0 }
        guard let capacity = exchange.replyCapacity else { throw .invalidArgument }
        let request = exchange.copiedRequest(count: 72)
        if case .fixed(let count) = ReplyShape(opcode: opcode, request: request, isSwapped: exchange.isSwapped) {
            guard capacity >= count else { throw .invalidArgument }
        }
        if opcode == .initialize && capacity < MemoryLayout<fuse_init_out>.size { throw .invalidArgument }
        return capacity
    }

    private func write(_ exchange: Exchange, _ cursor: inout WireCursor, _ node: NodeID) throws(Errno) -> Int {
        let arguments = try cursor.take(fuse_write_in.self)
        let start = Exchange.headerSize + MemoryLayout<fuse_write_in>.size
        guard arguments.size <= limits.maxWrite, Int(arguments.size) == Int(exchange.request.header.len) - start else {
            throw .invalidArgument
        }
        let payload = exchange.requestPayload(from: start, count: Int(arguments.size))
        let count = try files.write(node, arguments, from: payload, exchange.request)
        return exchange.reply(with: fuse_write_out(size: UInt32(count), padding: 0))
    }

    private func getattr(
        _ exchange: Exchange, _ cursor: inout WireCursor, _ node: NodeID
    ) throws(Errno) -> fuse_attr_out {
        let arguments = try cursor.take(fuse_getattr_in.self)
        let hasHandle = arguments.getattr_flags & UInt32(FUSE_GETATTR_FH) != 0
        return try files.getattr(node, hasHandle ? FileHandle(rawValue: arguments.fh) : nil, exchange.request)
    }

    private func create(_ exchange: Exchange, _ cursor: inout WireCursor, _ node: NodeID) throws(Errno) -> Int {
        let arguments = try cursor.take(fuse_create_in.self)
        let created = try files.create(node, cursor.takeName(), arguments, exchange.request)
        return exchange.reply(with: CreateReply(entry: created.entry, open: created.open))
    }

    private func rename(
        _ cursor: inout WireCursor, _ node: NodeID, to newParent: UInt64, flags: UInt32, _ request: Request
    ) throws(Errno) -> Int {
        let name = try cursor.takeName()
        let newName = try cursor.takeName()
        try files.rename(node, name, to: NodeID(rawValue: newParent), newName, flags: flags, request)
        return 0
    }

    private func readdir(
        _ exchange: Exchange, _ cursor: inout WireCursor, _ node: NodeID, capacity: Int, plus: Bool
    ) throws(Errno) -> Int {
        let arguments = try cursor.take(fuse_read_in.self)
        guard Int(arguments.size) <= capacity else { throw .invalidArgument }
        return try exchange.reply(upTo: Int(arguments.size)) { buffer throws(Errno) in
            var writer = DirectoryEntryWriter(into: buffer, isSwapped: exchange.isSwapped)
            try files.readdir(node, arguments, plus: plus, into: &writer, exchange.request)
            return writer.count
        }
    }

    /// The count is the client's word; the bytes are what there is. Like a WRITE it has a largest size: a chain can hold
    /// four gigabytes of the same few nodes, and what comes behind it would wait for hours.
    private func batchForget(_ exchange: Exchange, _ cursor: inout WireCursor) throws(Errno) -> Int {
        let arguments = try cursor.take(fuse_batch_forget_in.self)
        let size = MemoryLayout<fuse_forget_one>.size
        let start = Exchange.headerSize + MemoryLayout<fuse_batch_forget_in>.size
        guard Int(arguments.count) <= (Int(exchange.request.header.len) - start) / size,
            Int(arguments.count) * size <= Int(limits.maxWrite)
        else { throw .invalidArgument }
        var one = fuse_forget_one()
        for index in 0..<Int(arguments.count) {
            withUnsafeMutableBytes(of: &one) { exchange.gather(from: start + index * size, into: $0) }
            let forgotten = one.inOrder(swapped: exchange.isSwapped)
            files.forget(NodeID(rawValue: forgotten.nodeid), count: forgotten.nlookup)
        }
        return 0
    }
}

/// The reply to CREATE and TMPFILE: two structures one behind the other.
private struct CreateReply: WireStructure, BitwiseCopyable {
    var entry: fuse_entry_out
    var open: fuse_open_out

    static var fields: StaticString { "8888448888884444444444844" }
}

extension WireCursor {
    /// ``consume(_:)`` for a request: what is not there makes the request invalid.
    mutating func take<Value: WireStructure & BitwiseCopyable>(_ type: Value.Type) throws(Errno) -> Value {
        do { return try consume(type) } catch { throw .invalidArgument }
    }

    mutating func takeName() throws(Errno) -> FileName {
        do { return try consumeName() } catch { throw .invalidArgument }
    }
}
