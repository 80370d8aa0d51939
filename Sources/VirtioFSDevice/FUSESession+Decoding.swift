import CKernel
import FUSEWire
import SystemPackage

/// Operations of which the wire has more to say than one structure.
extension FUSESession {
    /// Where an extension of the protocol appends to a creating request what FUSE had no field for. Only the caller's
    /// supplementary group is negotiated (`FUSE_CREATE_SUPP_GROUP`); others are passed over.
    func readExtensions(_ exchange: Exchange) throws(Errno) {
        let request = exchange.request
        request.supplementaryGroup = nil
        let size = Int(request.header.total_extlen) * 8
        guard size > 0, negotiated.contains(.createSupplementaryGroup) else { return }
        let length = Int(request.header.len)
        guard length - Exchange.headerSize >= size else { throw .invalidArgument }
        var rest = WireCursor(
            UnsafeRawBufferPointer(rebasing: exchange.copiedRequest(count: length).suffix(size)),
            isSwapped: exchange.isSwapped)
        while rest.remaining > 0 {
            let header = try rest.take(fuse_ext_header.self)
            guard header.size >= 8, header.size % 8 == 0 else { throw .invalidArgument }
            var body = WireCursor(try rest.takeBytes(Int(header.size) - 8), isSwapped: exchange.isSwapped)
            guard header.type == UInt32(FUSE_EXT_GROUPS) else { continue }
            // There is at most one: the one group that the access may have been granted for.
            let count = try body.take(UInt32.self)
            guard count <= 1 else { throw .invalidArgument }
            if count == 1 { request.supplementaryGroup = try body.take(UInt32.self) }
        }
    }

    // MARK: extended attributes

    /// `fuse_setxattr_in` has two sizes (`FUSE_SETXATTR_EXT`).
    func setxattr(_ exchange: Exchange, _ cursor: inout WireCursor, _ node: NodeID) throws(Errno) -> Int {
        let size = try cursor.take(UInt32.self)
        let flags = try cursor.take(UInt32.self)
        var extraFlags: UInt32 = 0
        if negotiated.contains(.setxattrExtended) {
            extraFlags = try cursor.take(UInt32.self)
            _ = try cursor.take(UInt32.self)
        }
        let name = try cursor.takeName()
        let value = try cursor.takeBytes(Int(size))
        let kills = extraFlags & UInt32(FUSE_SETXATTR_ACL_KILL_SGID) != 0
        try files.setxattr(node, name, value, flags: flags, killsSetGID: kills, exchange.request)
        return 0
    }

    func getxattr(
        _ exchange: Exchange, _ cursor: inout WireCursor, _ node: NodeID, capacity: Int
    ) throws(Errno) -> Int {
        let size = Int(try cursor.take(fuse_getxattr_in.self).size)
        let name = try cursor.takeName()
        return try attributeReply(exchange, size: size, capacity: capacity) { buffer throws(Errno) in
            try files.getxattr(node, name, into: buffer, exchange.request)
        }
    }

    func listxattr(
        _ exchange: Exchange, _ cursor: inout WireCursor, _ node: NodeID, capacity: Int
    ) throws(Errno) -> Int {
        let size = Int(try cursor.take(fuse_getxattr_in.self).size)
        return try attributeReply(exchange, size: size, capacity: capacity) { buffer throws(Errno) in
            try files.listxattr(node, into: buffer, exchange.request)
        }
    }

    /// A size of zero asks how large the value is.
    private func attributeReply(
        _ exchange: Exchange, size: Int, capacity: Int,
        _ fill: (UnsafeMutableRawBufferPointer) throws(Errno) -> Int
    ) throws(Errno) -> Int {
        guard size > 0 else {
            let count = try fill(UnsafeMutableRawBufferPointer(start: nil, count: 0))
            return exchange.reply(with: fuse_getxattr_out(size: UInt32(count), padding: 0))
        }
        guard size <= capacity else { throw .invalidArgument }
        return try exchange.reply(upTo: size, fill)
    }

    // MARK: others

    /// The reply has 32 bits for what was copied.
    func copyFileRange(_ exchange: Exchange, _ cursor: inout WireCursor, _ node: NodeID) throws(Errno) -> Int {
        var arguments = try cursor.take(fuse_copy_file_range_in.self)
        arguments.len = min(arguments.len, UInt64(UInt32.max & ~4095))
        let copied = try files.copyFileRange(node, arguments, exchange.request)
        return exchange.reply(with: fuse_write_out(size: UInt32(copied), padding: 0))
    }

    func statx(_ exchange: Exchange, _ cursor: inout WireCursor, _ node: NodeID) throws(Errno) -> fuse_statx_out {
        let arguments = try cursor.take(fuse_statx_in.self)
        let hasHandle = arguments.getattr_flags & UInt32(FUSE_GETATTR_FH) != 0
        return try files.statx(node, hasHandle ? FileHandle(rawValue: arguments.fh) : nil, arguments, exchange.request)
    }

    /// The reply is `fuse_ioctl_out`, and behind it what the ioctl(2) passes out. Its arguments are not FUSE's, but they are
    /// words of 32 bits in all of those that any file system here serves, and come in the client's byte order.
    func ioctl(
        _ exchange: Exchange, _ cursor: inout WireCursor, _ node: NodeID, capacity: Int
    ) throws(Errno) -> Int {
        let arguments = try cursor.take(fuse_ioctl_in.self)
        let input = try cursor.takeBytes(Int(arguments.in_size))
        if exchange.isSwapped { UnsafeMutableRawBufferPointer(mutating: input).swapWords() }
        let headSize = MemoryLayout<fuse_ioctl_out>.size
        guard Int(arguments.out_size) <= capacity - headSize else { throw .invalidArgument }
        return try exchange.reply(upTo: headSize + Int(arguments.out_size)) { buffer throws(Errno) in
            let output = UnsafeMutableRawBufferPointer(rebasing: buffer[headSize...])
            let (result, count) = try files.ioctl(node, arguments, input, output, exchange.request)
            if exchange.isSwapped { output.swapWords() }
            let head = fuse_ioctl_out(result: result, flags: 0, in_iovs: 0, out_iovs: 0)
            buffer.storeBytes(of: head.inOrder(swapped: exchange.isSwapped), as: fuse_ioctl_out.self)
            return headSize + count
        }
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Turns each word of 32 bits into the other byte order; what is left at the end stays.
    fileprivate func swapWords() {
        for offset in stride(from: 0, through: count - 4, by: 4) {
            let word = loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            storeBytes(of: word.byteSwapped, toByteOffset: offset, as: UInt32.self)
        }
    }
}

extension WireCursor {
    mutating func takeBytes(_ count: Int) throws(Errno) -> UnsafeRawBufferPointer {
        do { return try consumeBytes(count) } catch { throw .invalidArgument }
    }
}
