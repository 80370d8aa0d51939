public import CKernel
public import FUSEWire
public import SystemPackage

/// What concerns a node itself and not its content.
extension FUSEClient {
    /// GETATTR, by an open file where there is one.
    public func getattr(
        _ node: NodeID, _ handle: FileHandle? = nil, as caller: Caller
    ) async throws(Errno) -> fuse_attr_out {
        try await call(.getattr, node, as: caller, returning: fuse_attr_out.self) { request in
            request.append(
                fuse_getattr_in(
                    getattr_flags: handle == nil ? 0 : UInt32(FUSE_GETATTR_FH), dummy: 0, fh: handle?.rawValue ?? 0))
        }
    }

    /// SETATTR: what `changes.valid` names (`FATTR_MODE` and so on).
    public func setattr(
        _ node: NodeID, _ changes: fuse_setattr_in, as caller: Caller
    ) async throws(Errno) -> fuse_attr_out {
        try await call(.setattr, node, as: caller, returning: fuse_attr_out.self) { $0.append(changes) }
    }

    /// STATX (minor 39): attributes with the time of birth.
    ///
    /// - Parameters:
    ///   - flags: `AT_STATX_FORCE_SYNC` and the like.
    ///   - mask: what is wanted, `STATX_BTIME` and so on.
    public func statx(
        _ node: NodeID, _ handle: FileHandle? = nil, flags: UInt32 = 0, mask: UInt32, as caller: Caller
    ) async throws(Errno) -> fuse_statx {
        var arguments = fuse_statx_in()
        arguments.getattr_flags = handle == nil ? 0 : UInt32(FUSE_GETATTR_FH)
        arguments.fh = handle?.rawValue ?? 0
        arguments.sx_flags = flags
        arguments.sx_mask = mask
        return try await call(.statx, node, as: caller, returning: fuse_statx_out.self) { $0.append(arguments) }.stat
    }

    /// ACCESS, for the device's own judgement; `mask` as access(2) has it.
    public func access(_ node: NodeID, mask: UInt32, as caller: Caller) async throws(Errno) {
        try await perform(.access, node, as: caller) { $0.append(fuse_access_in(mask: mask, padding: 0)) }
    }

    /// STATFS.
    public func statfs(_ node: NodeID, as caller: Caller) async throws(Errno) -> fuse_kstatfs {
        try await call(.statfs, node, as: caller, returning: fuse_statfs_out.self).st
    }

    // MARK: extended attributes

    /// SETXATTR.
    ///
    /// - Parameters:
    ///   - flags: `XATTR_CREATE` or `XATTR_REPLACE`.
    ///   - killsSetGID: whether an ACL that is set takes set-group-ID away (`FUSE_SETXATTR_ACL_KILL_SGID`).
    public func setxattr(
        _ node: NodeID, _ name: EntryName, _ value: [UInt8], flags: UInt32 = 0, killsSetGID: Bool = false,
        as caller: Caller
    ) async throws(Errno) {
        try await perform(.setxattr, node, as: caller) { request in
            request.append(UInt32(value.count))
            request.append(flags)
            // fuse_setxattr_in has two sizes.
            if negotiated.contains(.setxattrExtended) {
                request.append(killsSetGID ? UInt32(FUSE_SETXATTR_ACL_KILL_SGID) : 0)
                request.append(UInt32(0))
            }
            request.append(name)
            value.withUnsafeBytes { request.append($0) }
        }
    }

    /// GETXATTR: up to `size` bytes of a value; ERANGE where it is longer.
    public func getxattr(
        _ node: NodeID, _ name: EntryName, size: Int = 1 << 16, as caller: Caller
    ) async throws(Errno) -> [UInt8] {
        try await call(
            .getxattr, node, as: caller,
            { request in
                request.append(fuse_getxattr_in(size: UInt32(size), padding: 0))
                request.append(name)
            }
        ) { .success(Array($0)) }
    }

    /// GETXATTR with a size of zero: how long the value is.
    public func getxattrSize(_ node: NodeID, _ name: EntryName, as caller: Caller) async throws(Errno) -> Int {
        Int(
            try await call(.getxattr, node, as: caller, returning: fuse_getxattr_out.self) { request in
                request.append(fuse_getxattr_in(size: 0, padding: 0))
                request.append(name)
            }.size)
    }

    /// LISTXATTR: up to `size` bytes of names; ERANGE where there are more.
    public func listxattr(
        _ node: NodeID, size: Int = 1 << 16, as caller: Caller
    ) async throws(Errno) -> [EntryName] {
        let list = try await call(
            .listxattr, node, as: caller,
            { request in
                request.append(fuse_getxattr_in(size: UInt32(size), padding: 0))
            }
        ) { .success(Array($0)) }
        return list.split(separator: 0).map { EntryName($0) }
    }

    /// LISTXATTR with a size of zero: how long the list is.
    public func listxattrSize(_ node: NodeID, as caller: Caller) async throws(Errno) -> Int {
        Int(
            try await call(.listxattr, node, as: caller, returning: fuse_getxattr_out.self) { request in
                request.append(fuse_getxattr_in(size: 0, padding: 0))
            }.size)
    }

    /// REMOVEXATTR.
    public func removexattr(_ node: NodeID, _ name: EntryName, as caller: Caller) async throws(Errno) {
        try await perform(.removexattr, node, as: caller) { $0.append(name) }
    }
}
