public import CKernel
import FUSEWire
public import SystemPackage
import VirtioFSDriver

/// Attributes by path (fs/stat.c, fs/attr.c).
extension GuestProcess {
    /// The corresponding calls are stat(2), and lstat(2) where `follows` is false.
    public func stat(_ path: GuestPath, follows: Bool = true) async throws(Errno) -> fuse_attr {
        // The walk's own lookup has just asked; an open file may have changed since, but not for this call.
        try await resolve(path, follows: follows).attributes
    }

    /// The corresponding call is readlink(2).
    public func readlink(_ path: GuestPath) async throws(Errno) -> GuestPath {
        let place = try await resolve(path, follows: false)
        guard place.isLink else { throw .invalidArgument }
        return GuestPath(try await client.readlink(place.id, as: caller).bytes)
    }

    /// The corresponding call is access(2).
    public func access(_ path: GuestPath, _ mask: Int32) async throws(Errno) {
        guard mask & ~(R_OK | W_OK | X_OK) == 0 else { throw .invalidArgument }
        try await require(mask, of: try await resolve(path))
    }

    /// The corresponding call is statfs(2).
    public func statfs(_ path: GuestPath) async throws(Errno) -> fuse_kstatfs {
        try await client.statfs(try await resolve(path).id, as: caller)
    }

    /// The corresponding call is chmod(2).
    public func chmod(_ path: GuestPath, mode: UInt32) async throws(Errno) {
        let place = try await resolve(path)
        try await changeMode(place.id, place.attributes, mode)
    }

    func changeMode(_ node: NodeID, _ attributes: fuse_attr, _ mode: UInt32) async throws(Errno) {
        try requireOwner(attributes)
        var changes = fuse_setattr_in()
        changes.valid = UInt32(FATTR_MODE)
        changes.mode = attributes.fileType | mode & 0o7777
        // Set-group-ID is for members of the group (setattr_prepare).
        if !isPrivileged && !caller.isMember(of: attributes.gid) { changes.mode &= ~UInt32(S_ISGID) }
        _ = try await client.setattr(node, changes, as: caller)
    }

    /// The corresponding calls are chown(2), and lchown(2) where `follows` is false. Nothing leaves an id as it is.
    public func chown(
        _ path: GuestPath, uid: UInt32? = nil, gid: UInt32? = nil, follows: Bool = true
    ) async throws(Errno) {
        let place = try await resolve(path, follows: follows)
        try await changeOwner(place.id, place.attributes, uid, gid)
    }

    /// Also a chown(2) that changes nothing takes set-user-ID and set-group-ID away, which only the owner may.
    func changeOwner(
        _ node: NodeID, _ attributes: fuse_attr, _ uid: UInt32?, _ gid: UInt32?
    ) async throws(Errno) {
        let owns = attributes.uid == caller.uid
        let killed = setIDsLost(attributes)
        if let uid, !isPrivileged, !owns || uid != attributes.uid { throw .notPermitted }
        if let gid, !isPrivileged, !owns || !(caller.isMember(of: gid) || gid == attributes.gid) {
            throw .notPermitted
        }
        if killed != 0 { try requireOwner(attributes) }
        var changes = fuse_setattr_in()
        if let uid { (changes.uid, changes.valid) = (uid, changes.valid | UInt32(FATTR_UID)) }
        if let gid { (changes.gid, changes.valid) = (gid, changes.valid | UInt32(FATTR_GID)) }
        if changes.valid != 0 && client.negotiated.contains(.handleKillprivV2) && !attributes.isFolder {
            changes.valid |= UInt32(FATTR_KILL_SUIDGID)
        } else if killed != 0 {
            changes.valid |= UInt32(FATTR_MODE)
            changes.mode = attributes.mode & ~killed
        }
        guard changes.valid != 0 else { return }
        _ = try await client.setattr(node, changes, as: caller)
    }

    /// What of the mode a change of owner takes away (fs/attr.c, setattr_should_drop_sgid).
    private func setIDsLost(_ attributes: fuse_attr) -> UInt32 {
        guard !attributes.isFolder else { return 0 }
        var killed = UInt32(S_ISUID)
        let keepsGroup = isPrivileged || caller.isMember(of: attributes.gid)
        if attributes.mode & 0o010 != 0 || !keepsGroup { killed |= UInt32(S_ISGID) }
        return attributes.mode & killed
    }

    /// The corresponding call is utimensat(2), with its `UTIME_NOW` and `UTIME_OMIT`.
    public func utimens(
        _ path: GuestPath, access: timespec, modification: timespec, follows: Bool = true
    ) async throws(Errno) {
        let omitsBoth = [access, modification].allSatisfy { $0.tv_nsec == utimeOmit }
        if omitsBoth { return }
        let place = try await resolve(path, follows: follows)
        try await changeTimes(place.id, place.attributes, access, modification)
    }

    func changeTimes(
        _ node: NodeID, _ attributes: fuse_attr, _ access: timespec, _ modification: timespec
    ) async throws(Errno) {
        for time in [access, modification] {
            guard (0..<1_000_000_000).contains(time.tv_nsec) || [utimeNow, utimeOmit].contains(time.tv_nsec) else {
                throw .invalidArgument
            }
        }
        if [access, modification].allSatisfy({ $0.tv_nsec == utimeNow }) {
            if !isPrivileged && attributes.uid != caller.uid { try await require(W_OK, of: node, attributes) }
        } else {
            try requireOwner(attributes)
        }
        var changes = fuse_setattr_in()
        if access.tv_nsec != utimeOmit {
            changes.valid |= UInt32(access.tv_nsec == utimeNow ? FATTR_ATIME | FATTR_ATIME_NOW : FATTR_ATIME)
            changes.atime = UInt64(bitPattern: Int64(access.tv_sec))
            changes.atimensec = access.tv_nsec == utimeNow ? 0 : UInt32(access.tv_nsec)
        }
        if modification.tv_nsec != utimeOmit {
            changes.valid |= UInt32(modification.tv_nsec == utimeNow ? FATTR_MTIME | FATTR_MTIME_NOW : FATTR_MTIME)
            changes.mtime = UInt64(bitPattern: Int64(modification.tv_sec))
            changes.mtimensec = modification.tv_nsec == utimeNow ? 0 : UInt32(modification.tv_nsec)
        }
        _ = try await client.setattr(node, changes, as: caller)
    }

    /// The corresponding call is truncate(2).
    public func truncate(_ path: GuestPath, size: Int64) async throws(Errno) {
        guard size >= 0 else { throw .invalidArgument }
        let place = try await resolve(path)
        if place.isFolder { throw .isDirectory }
        guard place.attributes.isRegular else { throw .invalidArgument }
        try await require(W_OK, of: place)
        try await changeSize(place.id, nil, size)
    }

    func changeSize(_ node: NodeID, _ handle: FileHandle?, _ size: Int64) async throws(Errno) {
        var changes = fuse_setattr_in()
        changes.valid = UInt32(FATTR_SIZE)
        changes.size = UInt64(size)
        if let handle { (changes.fh, changes.valid) = (handle.rawValue, changes.valid | UInt32(FATTR_FH)) }
        if !isPrivileged && client.negotiated.contains(.handleKillprivV2) {
            changes.valid |= UInt32(FATTR_KILL_SUIDGID)
        }
        _ = try await client.setattr(node, changes, as: caller)
    }
}

/// `UTIME_NOW` and `UTIME_OMIT` (linux/stat.h), which don't import.
private let utimeNow = (1 << 30) - 1
private let utimeOmit = (1 << 30) - 2
