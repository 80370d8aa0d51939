public import CKernel
public import FUSEWire
public import SystemPackage

/// Open folders and their entries.
extension FUSEClient {
    /// OPENDIR.
    public func opendir(_ node: NodeID, flags: Int32 = O_DIRECTORY, as caller: Caller) async throws(Errno)
        -> fuse_open_out
    {
        try await call(.opendir, node, as: caller, returning: fuse_open_out.self) {
            $0.append(fuse_open_in(flags: UInt32(bitPattern: flags), open_flags: 0))
        }
    }

    /// READDIR: entries behind `cookie`, zero for the first; none at the end.
    ///
    /// - Parameter flags: those of the open folder, which Linux repeats here and at RELEASEDIR.
    public func readdir(
        _ node: NodeID, _ handle: FileHandle, after cookie: UInt64, size: Int = 1 << 15, flags: Int32 = 0,
        as caller: Caller
    ) async throws(Errno) -> [DirectoryEntry] {
        try Self.checked(try await list(.readdir, node, handle, cookie, size, flags, caller))
    }

    /// READDIRPLUS: as ``readdir(_:_:after:size:flags:as:)``, with what a LOOKUP of each name would have given. It counts one
    /// lookup for each entry that has a node: not for "." and "..".
    public func readdirplus(
        _ node: NodeID, _ handle: FileHandle, after cookie: UInt64, size: Int = 1 << 15, flags: Int32 = 0,
        as caller: Caller
    ) async throws(Errno) -> [DirectoryEntry] {
        let entries = try await list(.readdirplus, node, handle, cookie, size, flags, caller)
        for entry in entries { lookups.add(entry.found!.nodeid) }
        return try Self.checked(entries)
    }

    /// As Linux does, a listing is refused whose names could lead elsewhere (fs/fuse/readdir.c, parse_dirfile).
    private static func checked(_ entries: [DirectoryEntry]) throws(Errno) -> [DirectoryEntry] {
        for entry in entries {
            guard !entry.name.bytes.isEmpty, !entry.name.bytes.contains(where: { $0 == 0 || $0 == UInt8(ascii: "/") })
            else { throw .ioError }
        }
        return entries
    }

    private func list(
        _ opcode: Opcode, _ node: NodeID, _ handle: FileHandle, _ cookie: UInt64, _ size: Int, _ flags: Int32,
        _ caller: Caller
    ) async throws(Errno) -> [DirectoryEntry] {
        guard size <= largestRead else { throw .invalidArgument }
        let listing = try await call(
            opcode, node, as: caller,
            { request in
                request.append(readArguments(handle, cookie, size, flags))
            }
        ) { .success(Array($0)) }
        return DirectoryEntry.all(in: listing, plus: opcode == .readdirplus)
    }

    /// RELEASEDIR.
    public func releasedir(
        _ node: NodeID, _ handle: FileHandle, flags: Int32 = 0, as caller: Caller
    ) async throws(Errno) {
        try await perform(.releasedir, node, as: caller, isInterruptible: false) { request in
            request.append(
                fuse_release_in(
                    fh: handle.rawValue, flags: UInt32(bitPattern: flags), release_flags: 0, lock_owner: 0))
        }
    }

    /// FSYNCDIR.
    public func fsyncdir(
        _ node: NodeID, _ handle: FileHandle, dataOnly: Bool = false, as caller: Caller
    ) async throws(Errno) {
        try await perform(.fsyncdir, node, as: caller) { $0.append(fsyncArguments(handle, dataOnly)) }
    }
}
