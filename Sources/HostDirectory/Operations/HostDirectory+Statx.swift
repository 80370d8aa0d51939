public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

extension HostDirectory {
    public func statx(
        _ node: NodeID, _ handle: FileHandle?, _ arguments: fuse_statx_in, _ request: Request
    ) throws(Errno) -> fuse_statx_out {
        guard let handle else {
            return try withNode(node) { descriptor, _ throws(Errno) in try extendedStatus(of: descriptor, arguments) }
        }
        return try withHandle(handle.rawValue, of: node, .file) { file throws(Errno) in
            try extendedStatus(of: file.payload.descriptor, arguments)
        }
    }

    private func extendedStatus(
        of descriptor: FileDescriptor, _ arguments: fuse_statx_in
    ) throws(Errno) -> fuse_statx_out {
        // The client takes no answer without the basic fields (fs/fuse/dir.c, fuse_do_statx). Of the flags, those that
        // say how fresh the answer has to be are the host's business.
        let mask = UInt32(STATX_BASIC_STATS) | arguments.sx_mask & UInt32(STATX_BTIME)
        let freshness = Int32(bitPattern: arguments.sx_flags) & Int32(AT_STATX_SYNC_TYPE)
        let flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | freshness
        var status = CKernel.statx()
        try descriptor.statusAt("", flags: flags, mask: mask, into: &status)
        var reply = fuse_statx_out()
        reply.attr_valid = attributeValidity.seconds
        reply.attr_valid_nsec = attributeValidity.nanoseconds
        reply.stat = fuse_statx(status)
        reply.stat.ino = clientNumber(status.stx_ino, on: InodeKey(status).device)
        reply.stat.uid = clientUser(reply.stat.uid)
        reply.stat.gid = clientGroup(reply.stat.gid)
        return reply
    }
}

extension fuse_statx {
    init(_ status: borrowing statx) {
        self.init()
        // What the host filled beyond that, the client does not know.
        mask = status.stx_mask & UInt32(STATX_BASIC_STATS | STATX_BTIME)
        blksize = status.stx_blksize
        attributes = status.stx_attributes
        attributes_mask = status.stx_attributes_mask
        nlink = status.stx_nlink
        uid = status.stx_uid
        gid = status.stx_gid
        mode = status.stx_mode
        ino = status.stx_ino
        size = status.stx_size
        blocks = status.stx_blocks
        atime = fuse_sx_time(status.stx_atime)
        btime = fuse_sx_time(status.stx_btime)
        ctime = fuse_sx_time(status.stx_ctime)
        mtime = fuse_sx_time(status.stx_mtime)
        rdev_major = status.stx_rdev_major
        rdev_minor = status.stx_rdev_minor
        dev_major = status.stx_dev_major
        dev_minor = status.stx_dev_minor
    }
}

extension fuse_sx_time {
    init(_ time: statx_timestamp) {
        self.init()
        tv_sec = time.tv_sec
        tv_nsec = time.tv_nsec
    }
}
