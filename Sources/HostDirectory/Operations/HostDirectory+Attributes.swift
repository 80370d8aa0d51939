public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

extension HostDirectory {
    public func getattr(
        _ node: NodeID, _ handle: FileHandle?, _ request: Request
    ) throws(Errno) -> fuse_attr_out {
        guard let handle else {
            return try withNode(node) { descriptor, _ throws(Errno) in try attributes(of: descriptor) }
        }
        return try withHandle(handle.rawValue, of: node, .file) { file throws(Errno) in
            try attributes(of: file.payload.descriptor)
        }
    }

    private func attributes(of descriptor: FileDescriptor) throws(Errno) -> fuse_attr_out {
        let status = try descriptor.status()
        var attributes = fuse_attr_out()
        attributes.attr_valid = attributeValidity.seconds
        attributes.attr_valid_nsec = attributeValidity.nanoseconds
        attributes.attr = clientAttributes(fuse_attr(status), on: InodeKey.device(status.st_dev))
        return attributes
    }

    /// The time of change (`FATTR_CTIME`) can't be set on Linux and is passed over.
    public func setattr(
        _ node: NodeID, _ change: fuse_setattr_in, _ request: Request
    ) throws(Errno) -> fuse_attr_out {
        try refuseChange()
        return try withNode(node) { descriptor, inode throws(Errno) in
            if change.sets(FATTR_MODE) { try descriptors.changeMode(of: descriptor, change.mode & 0o7777) }
            if change.setsOwner || change.sets(FATTR_SIZE) { dropCapabilities(of: descriptor) }
            if change.setsOwner { try setOwner(descriptor, change, request) }
            if change.sets(FATTR_SIZE) { try setSize(node, descriptor, inode, change, request) }
            if change.sets(FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW) {
                try descriptor.changeTimes(access: change.accessTime(), modification: change.modificationTime())
            }
            return try attributes(of: descriptor)
        }
    }

    /// What has to go at a change of owner, the host's chown(2) takes away by itself (`chown_common`, linux/fs/open.c).
    /// `FATTR_KILL_SUIDGID` comes for every caller here, root too, and so says nothing.
    private func setOwner(
        _ descriptor: FileDescriptor, _ change: fuse_setattr_in, _ request: Request
    ) throws(Errno) {
        try withoutFSETID(request.uid != 0, group: try hostGroup(request.gid)) { () throws(Errno) in
            try descriptor.changeOwner(
                uid: change.sets(FATTR_UID) ? try hostUser(change.uid) : .max,
                gid: change.sets(FATTR_GID) ? try hostGroup(change.gid) : .max)
        }
    }

    private func setSize(
        _ node: NodeID, _ descriptor: FileDescriptor, _ inode: Inode, _ change: fuse_setattr_in, _ request: Request
    ) throws(Errno) {
        let size = try position(change.size)
        try withoutFSETID(change.sets(FATTR_KILL_SUIDGID), group: try hostGroup(request.gid)) { () throws(Errno) in
            if change.sets(FATTR_FH) {
                return try withHandle(change.fh, of: node, .file) { file throws(Errno) in
                    try file.payload.descriptor.truncate(to: size)
                }
            }
            if inode.isFolder { throw .isDirectory }
            guard inode.isRegular else { throw .invalidArgument }
            let file = try descriptors.reopen(descriptor, flags: O_WRONLY | O_NONBLOCK)
            try file.descriptor.truncate(to: size)
        }
    }

    /// A size or an offset of the wire as system calls take it.
    ///
    /// - Throws: EINVAL for what would be negative.
    @inline(__always)
    func position(_ value: UInt64) throws(Errno) -> Int {
        guard let position = Int(exactly: value) else { throw .invalidArgument }
        return position
    }

    public func access(_ node: NodeID, mask: UInt32, _ request: Request) throws(Errno) {
        if mask & UInt32(W_OK) != 0 { try refuseChange() }
        try withNode(node) { descriptor, _ throws(Errno) in try descriptor.checkExistence() }
    }

    public func statfs(_ node: NodeID, _ request: Request) throws(Errno) -> fuse_kstatfs {
        try withNode(node) { descriptor, _ throws(Errno) in
            let host = try descriptor.fileSystemStatus()
            var status = fuse_kstatfs()
            status.blocks = UInt64(host.f_blocks)
            status.bfree = UInt64(host.f_bfree)
            status.bavail = UInt64(host.f_bavail)
            status.files = UInt64(host.f_files)
            status.ffree = UInt64(host.f_ffree)
            status.bsize = UInt32(truncatingIfNeeded: host.f_bsize)
            status.namelen = UInt32(truncatingIfNeeded: host.f_namemax)
            status.frsize = UInt32(truncatingIfNeeded: host.f_frsize)
            return status
        }
    }

    public func readlink(
        _ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> Int {
        try withNode(node) { descriptor, inode throws(Errno) in
            guard inode.isLink, buffer.baseAddress != nil else { throw .invalidArgument }
            return try descriptor.readLink(into: buffer)
        }
    }
}

extension fuse_setattr_in {
    fileprivate func sets(_ flags: Int32) -> Bool { valid & UInt32(bitPattern: flags) != 0 }

    /// Whether this is a chown(2). One without ids is sent with no attribute at all. So is what the client's kernel has to
    /// do before fallocate(2) and copy_file_range(2) by somebody without privilege (`file_remove_privs`,
    /// linux/fs/inode.c): the set-user-ID and set-group-ID bits and capabilities go, as they do at a chown(2).
    fileprivate var setsOwner: Bool {
        sets(FATTR_UID | FATTR_GID)
            || !sets(FATTR_MODE | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)
    }

    fileprivate func accessTime() throws(Errno) -> timespec {
        try time(FATTR_ATIME, atime, atimensec, now: FATTR_ATIME_NOW)
    }

    fileprivate func modificationTime() throws(Errno) -> timespec {
        try time(FATTR_MTIME, mtime, mtimensec, now: FATTR_MTIME_NOW)
    }

    private func time(_ set: Int32, _ seconds: UInt64, _ part: UInt32, now: Int32) throws(Errno) -> timespec {
        if sets(now) { return .now }
        guard sets(set) else { return .unchanged }
        guard part < 1_000_000_000 else { throw .invalidArgument }
        return timespec(tv_sec: Int(bitPattern: UInt(seconds)), tv_nsec: Int(part))
    }
}
