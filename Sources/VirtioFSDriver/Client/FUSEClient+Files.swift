public import CKernel
public import FUSEWire
public import SystemPackage

/// Open files and their content.
extension FUSEClient {
    /// OPEN. `flags` as open(2) has them; what concerns the name is taken off, as Linux does.
    public func open(_ node: NodeID, flags: Int32, as caller: Caller) async throws(Errno) -> fuse_open_out {
        let sent = flags & ~(O_CREAT | O_EXCL | O_NOCTTY)
        return try await call(.open, node, as: caller, returning: fuse_open_out.self) { request in
            request.append(fuse_open_in(flags: UInt32(bitPattern: sent), open_flags: killFlag(sent, caller)))
        }
    }

    /// Whether truncation has to clear set-user-ID and set-group-ID (`FUSE_HANDLE_KILLPRIV_V2`): for a caller without
    /// CAP_FSETID.
    private func killFlag(_ flags: Int32, _ caller: Caller) -> UInt32 {
        let kills = flags & O_TRUNC != 0 && negotiated.contains(.handleKillprivV2) && caller.uid != 0
        return kills ? UInt32(FUSE_OPEN_KILL_SUIDGID) : 0
    }

    /// CREATE: makes a file, or opens the one that is there, in one step. It counts one lookup.
    ///
    /// - Parameter folderGroup: the parent's group, of use where the caller has it as a supplementary one.
    public func create(
        _ parent: NodeID, _ name: EntryName, mode: UInt32, flags: Int32, folderGroup: UInt32? = nil, as caller: Caller
    ) async throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out) {
        try await createFile(.create, parent, name, mode: mode, flags: flags, folderGroup, caller)
    }

    /// TMPFILE: makes a file without a name (`O_TMPFILE`). It counts one lookup.
    public func tmpfile(
        _ parent: NodeID, mode: UInt32, flags: Int32, folderGroup: UInt32? = nil, as caller: Caller
    ) async throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out) {
        // Linux sends a name here too, and a device may count on it: the one that it gives all files without one
        // (vfs_tmpfile and slash_name, fs/namei.c).
        try await createFile(.tmpfile, parent, "/", mode: mode, flags: flags, folderGroup, caller)
    }

    private func createFile(
        _ opcode: Opcode, _ parent: NodeID, _ name: EntryName, mode: UInt32, flags: Int32, _ folderGroup: UInt32?,
        _ caller: Caller
    ) async throws(Errno) -> (entry: fuse_entry_out, open: fuse_open_out) {
        let sent = flags & ~O_NOCTTY
        let reply = try await call(opcode, parent, as: caller, returning: CreateReply.self) { request in
            request.append(
                fuse_create_in(
                    flags: UInt32(bitPattern: sent), mode: created(mode, caller) | UInt32(S_IFREG), umask: caller.umask,
                    open_flags: killFlag(sent, caller)))
            request.append(name)
            appendGroup(&request, folderGroup, caller)
        }
        guard reply.entry.nodeid != 0 else { throw .ioError }
        lookups.add(reply.entry.nodeid)
        return (reply.entry, reply.open)
    }

    /// READ: bytes from `offset` on into the caller's buffer, of at most ``largestRead``; how many, less only at the end.
    ///
    /// The buffer has to stay until the call has returned.
    public func read(
        _ node: NodeID, _ handle: FileHandle, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer,
        flags: Int32 = 0, as caller: Caller
    ) async throws(Errno) -> Int {
        guard buffer.count <= largestRead else { throw .invalidArgument }
        return try await call(
            .read, node, as: caller,
            { request in
                request.append(readArguments(handle, offset, buffer.count, flags))
            }
        ) { payload in
            guard payload.count <= buffer.count else { return .failure(.ioError) }
            buffer.copyMemory(from: payload)
            return .success(payload.count)
        }
    }

    func readArguments(_ handle: FileHandle, _ offset: UInt64, _ size: Int, _ flags: Int32 = 0) -> fuse_read_in {
        var arguments = fuse_read_in()
        arguments.fh = handle.rawValue
        arguments.offset = offset
        arguments.size = UInt32(size)
        arguments.flags = UInt32(bitPattern: flags)
        return arguments
    }

    /// WRITE: bytes of the caller's buffer, at most ``largestWrite``; how many were written.
    ///
    /// - Parameters:
    ///   - flags: those of the open file, `O_APPEND` among them.
    ///   - killsSetID: whether set-user-ID and set-group-ID are to be cleared (`FUSE_WRITE_KILL_SUIDGID`).
    public func write(
        _ node: NodeID, _ handle: FileHandle, at offset: UInt64, from buffer: UnsafeRawBufferPointer,
        flags: Int32 = 0, killsSetID: Bool = false, as caller: Caller
    ) async throws(Errno) -> Int {
        guard buffer.count <= largestWrite else { throw .invalidArgument }
        var arguments = fuse_write_in()
        arguments.fh = handle.rawValue
        arguments.offset = offset
        arguments.size = UInt32(buffer.count)
        arguments.write_flags = killsSetID ? UInt32(FUSE_WRITE_KILL_SUIDGID) : 0
        arguments.flags = UInt32(bitPattern: flags)
        let asked = UInt32(buffer.count)
        return try await call(.write, node, as: caller, { $0.append(arguments) }, data: buffer) { payload in
            payload.firstBytes(as: fuse_write_out.self).flatMap { written in
                written.size <= asked ? .success(Int(written.size)) : .failure(.ioError)
            }
        }
    }

    /// FLUSH: one of the descriptors of an open file was closed; the owner's locks go.
    public func flush(_ node: NodeID, _ handle: FileHandle, owner: UInt64 = 0, as caller: Caller) async throws(Errno) {
        var arguments = fuse_flush_in()
        arguments.fh = handle.rawValue
        arguments.lock_owner = owner
        try await perform(.flush, node, as: caller, isInterruptible: false) { $0.append(arguments) }
    }

    /// FSYNC.
    ///
    /// - Parameter dataOnly: as fdatasync(2).
    public func fsync(
        _ node: NodeID, _ handle: FileHandle, dataOnly: Bool = false, as caller: Caller
    ) async throws(Errno) {
        try await perform(.fsync, node, as: caller) { $0.append(fsyncArguments(handle, dataOnly)) }
    }

    func fsyncArguments(_ handle: FileHandle, _ dataOnly: Bool) -> fuse_fsync_in {
        fuse_fsync_in(fh: handle.rawValue, fsync_flags: dataOnly ? UInt32(FUSE_FSYNC_FDATASYNC) : 0, padding: 0)
    }

    /// RELEASE: the open file is gone.
    ///
    /// - Parameter flockOwner: whose flock(2) locks go with it.
    public func release(
        _ node: NodeID, _ handle: FileHandle, flags: Int32 = 0, flockOwner: UInt64? = nil, as caller: Caller
    ) async throws(Errno) {
        try await perform(.release, node, as: caller, isInterruptible: false) { request in
            request.append(
                fuse_release_in(
                    fh: handle.rawValue, flags: UInt32(bitPattern: flags),
                    release_flags: flockOwner == nil ? 0 : UInt32(FUSE_RELEASE_FLOCK_UNLOCK),
                    lock_owner: flockOwner ?? 0))
        }
    }

    // MARK: space

    /// FALLOCATE; `mode` as fallocate(2) has it.
    public func fallocate(
        _ node: NodeID, _ handle: FileHandle, at offset: UInt64, length: UInt64, mode: UInt32, as caller: Caller
    ) async throws(Errno) {
        try await perform(.fallocate, node, as: caller) { request in
            request.append(
                fuse_fallocate_in(fh: handle.rawValue, offset: offset, length: length, mode: mode, padding: 0))
        }
    }

    /// LSEEK, which is sent for `SEEK_DATA` and `SEEK_HOLE`: where the next of them is.
    public func lseek(
        _ node: NodeID, _ handle: FileHandle, to offset: UInt64, whence: UInt32, as caller: Caller
    ) async throws(Errno) -> UInt64 {
        try await call(.lseek, node, as: caller, returning: fuse_lseek_out.self) { request in
            request.append(fuse_lseek_in(fh: handle.rawValue, offset: offset, whence: whence, padding: 0))
        }.offset
    }

    /// COPY_FILE_RANGE, or its 64-bit form where it is spoken: bytes that were copied.
    public func copyFileRange(
        from source: (node: NodeID, handle: FileHandle, offset: UInt64),
        to target: (node: NodeID, handle: FileHandle, offset: UInt64), count: UInt64, flags: UInt64 = 0,
        as caller: Caller
    ) async throws(Errno) -> UInt64 {
        let arguments = fuse_copy_file_range_in(
            fh_in: source.handle.rawValue, off_in: source.offset, nodeid_out: target.node.rawValue,
            fh_out: target.handle.rawValue, off_out: target.offset, len: count, flags: flags)
        guard minorVersion < 45 else {
            return try await call(
                .copyFileRange64, source.node, as: caller, returning: fuse_copy_file_range_out.self
            ) { $0.append(arguments) }.bytes_copied
        }
        let written = try await call(.copyFileRange, source.node, as: caller, returning: fuse_write_out.self) {
            $0.append(arguments)
        }
        return UInt64(written.size)
    }
}

/// The reply to CREATE and TMPFILE: two structures one behind the other.
private struct CreateReply: BitwiseCopyable {
    var entry: fuse_entry_out
    var open: fuse_open_out
}
