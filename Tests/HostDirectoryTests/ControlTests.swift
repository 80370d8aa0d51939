import CKernel
import FUSEWire
import HostDirectory
import Syscalls
import SystemPackage
import Testing

/// IOCTL, on a file system that has the flags of chattr(1) (ext4, tmpfs).
@Suite struct ControlTests {
    private let share = try! Share()

    private func control(
        _ command: UInt32, _ node: NodeID, _ handle: UInt64, input: [UInt8] = [], size: Int = 0, flags: Int = 0,
        uid: UInt32 = geteuid()
    ) throws -> [UInt8] {
        let arguments = fuse_ioctl_in(
            fh: handle, flags: UInt32(flags), cmd: command, arg: 0, in_size: UInt32(input.count),
            out_size: UInt32(size))
        var output = [UInt8](repeating: 0, count: size)
        let count = try output.withUnsafeMutableBytes { bytes in
            try input.withUnsafeBytes {
                try share.fs.ioctl(node, arguments, $0, bytes, share.request(uid: uid)).count
            }
        }
        return Array(output[..<count])
    }

    @Test("IOCTL gets and sets the flags of chattr(1), of files and folders; anything else is ENOTTY")
    func flags() throws {
        let (node, handle) = try share.create("file")
        let folder = try share.opendir(.root)
        _ = try control(ck_fs_ioc_setflags, node, handle, input: Wire.bytes(UInt32(FS_NODUMP_FL | FS_NOATIME_FL)))
        let flags = try control(ck_fs_ioc_getflags, node, handle, size: 4)
        #expect(flags.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) } & UInt32(FS_NODUMP_FL) != 0)
        #expect(try control(ck_fs_ioc_getflags, .root, folder, size: 8, flags: Int(FUSE_IOCTL_DIR)).count == 4)
        #expect(try control(ck_fs_ioc_fsgetxattr, node, handle, size: 28).count == 28)
        #expect(errorOf { try control(ck_fs_ioc_fsgetxattr, node, handle, size: 27) } == .invalidArgument)
        #expect(errorOf { try control(ck_fs_ioc_setflags, node, handle) } == .invalidArgument)
        let notOurs = Errno.inappropriateIOCTLForDevice
        #expect(errorOf { try control(0x5401, node, handle, size: 64) } == notOurs)
        let unrestricted = Int(FUSE_IOCTL_UNRESTRICTED)
        #expect(errorOf { try control(ck_fs_ioc_getflags, node, handle, size: 4, flags: unrestricted) } == notOurs)
        #expect(errorOf { try control(ck_fs_ioc_getflags, .root, folder, size: 4) } == .badFileDescriptor)
    }

    @Test("The generation that 'lsattr -v' shows is the host's, where it has one")
    func generation() throws {
        let (node, handle) = try share.create("file")
        let host = try FileDescriptor.open(share.path("file"), .readOnly)
        defer { try? host.close() }
        var expected: UInt32 = 0
        let refusal = errorOf { try host.control(ck_fs_ioc_getversion, &expected) }
        var seen: [UInt8] = []
        #expect(errorOf { seen = try control(ck_fs_ioc_getversion, node, handle, size: 8) } == refusal)
        #expect(refusal.rawValue != 0 || seen == Wire.bytes(expected))
    }

    @Test("Only a file's owner changes its flags, and only root what makes it immutable or append-only")
    func permission() throws {
        let (node, handle) = try share.create("file")
        chown(share.path("file"), 1000, 1000)
        func set(_ flags: Int32, uid: UInt32) -> Errno {
            errorOf { try control(ck_fs_ioc_setflags, node, handle, input: Wire.bytes(UInt32(flags)), uid: uid) }
        }
        #expect(set(FS_NODUMP_FL, uid: 2000) == .notPermitted)
        #expect(set(FS_NODUMP_FL, uid: 1000) == Errno(rawValue: 0))
        #expect(set(FS_NODUMP_FL | FS_IMMUTABLE_FL, uid: 1000) == .notPermitted)
        #expect(set(FS_NODUMP_FL | FS_APPEND_FL, uid: 0) == Errno(rawValue: 0))
        #expect(set(FS_NODUMP_FL, uid: 1000) == .notPermitted)
        #expect(set(FS_NODUMP_FL | FS_APPEND_FL, uid: 1000) == Errno(rawValue: 0))
        #expect(set(0, uid: 0) == Errno(rawValue: 0))
        var hints = try control(ck_fs_ioc_fsgetxattr, node, handle, size: 28)
        #expect(errorOf { try control(ck_fs_ioc_fssetxattr, node, handle, input: hints, uid: 2000) } == .notPermitted)
        hints[0] |= UInt8(FS_XFLAG_IMMUTABLE)
        #expect(errorOf { try control(ck_fs_ioc_fssetxattr, node, handle, input: hints, uid: 1000) } == .notPermitted)
        #expect(share.status("file").st_uid == 1000)
    }
}
