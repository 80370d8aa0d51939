import CKernel
import Syscalls
import SystemPackage

/// An ioctl(2) that is passed on to the host: flags and generation (ioctl_iflags(2)), and the project and extent hints of
/// `struct fsxattr`.
struct FileControl {
    /// Room for any of their arguments: `struct fsxattr` is the largest, with 28 bytes.
    typealias Argument = InlineArray<4, UInt64>

    let command: UInt32
    let changes: Bool
    /// Bytes that the host reads or writes.
    let size: Int

    /// Nothing for any other command. Flags and generation are an int, whatever the command's number says.
    init?(_ command: UInt32) {
        let word = MemoryLayout<Int32>.size
        switch command {
        case ck_fs_ioc_getflags, ck_fs_ioc32_getflags: self.init(ck_fs_ioc_getflags, changes: false, size: word)
        case ck_fs_ioc_setflags, ck_fs_ioc32_setflags: self.init(ck_fs_ioc_setflags, changes: true, size: word)
        case ck_fs_ioc_getversion, ck_fs_ioc32_getversion: self.init(ck_fs_ioc_getversion, changes: false, size: word)
        case ck_fs_ioc_setversion, ck_fs_ioc32_setversion: self.init(ck_fs_ioc_setversion, changes: true, size: word)
        case ck_fs_ioc_fsgetxattr: self.init(command, changes: false, size: MemoryLayout<fsxattr>.size)
        case ck_fs_ioc_fssetxattr: self.init(command, changes: true, size: MemoryLayout<fsxattr>.size)
        default: return nil
        }
    }

    private init(_ command: UInt32, changes: Bool, size: Int) {
        (self.command, self.changes, self.size) = (command, changes, size)
    }

    /// Refuses a change that the host would refuse to the user `uid`: only a file's owner may change these, and only root
    /// what makes a file immutable or append-only. The client's kernel checks this for flags since Linux 5.13, for all else
    /// and before it leaves it to the file system (linux/fs/fuse/ioctl.c).
    func check(_ argument: UnsafeMutableRawBufferPointer, _ file: FileDescriptor, uid: UInt32) throws(Errno) {
        guard uid != 0 else { return }
        var status = CKernel.statx()
        try file.status(mask: UInt32(STATX_UID), into: &status)
        guard status.stx_uid == uid else { throw .notPermitted }
        guard let (query, bits) = protected else { return }
        var current = Argument(repeating: 0)
        try withUnsafeMutableBytes(of: &current) { bytes throws(Errno) in
            _ = try file.control(query, bytes.baseAddress!)
            let difference = bytes.load(as: UInt32.self) ^ argument.load(as: UInt32.self)
            guard difference & bits == 0 else { throw .notPermitted }
        }
    }

    /// How to ask for what is there now, and which bits of its first word are root's.
    private var protected: (query: UInt32, bits: UInt32)? {
        switch command {
        case ck_fs_ioc_setflags: (ck_fs_ioc_getflags, UInt32(FS_IMMUTABLE_FL | FS_APPEND_FL))
        case ck_fs_ioc_fssetxattr: (ck_fs_ioc_fsgetxattr, UInt32(FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND))
        default: nil
        }
    }
}
