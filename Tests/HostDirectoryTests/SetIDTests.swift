import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing
import VirtioFSDevice

/// Set-user-ID and set-group-ID go when the host would let them go for the caller (inode(7)), with the host's own calls of
/// a process without privilege as oracle.
@Suite struct SetIDTests {
    private let share = try! Share()

    /// Makes a file of user 1000 and group 1001, has it changed, and tells its mode then.
    private func mode(_ mode: mode_t, after change: (NodeID) throws -> Void) throws -> mode_t {
        Share.write("x", to: share.path("file"))
        chown(share.path("file"), 1000, 1001)
        chmod(share.path("file"), mode)
        try change(share.node("file"))
        return share.status("file").st_mode & 0o7777
    }

    /// Who owns the file and isn't in its group, who is, and root.
    private var stranger: Request { share.request(uid: 1000, gid: 1000) }
    private var member: Request { share.request(uid: 1000, gid: 1001) }
    private var root: Request { share.request(uid: 0, gid: 0) }

    @Test("SETATTR without any attribute is chown(2) without ids: the bits go, the time of change moves, for root too")
    func noAttribute() throws {
        for caller in [stranger, member, root] {
            #expect(try mode(0o6755) { try share.change($0, as: caller) { $0.valid = 0 } } == 0o755)
            #expect(try mode(0o4644) { try share.change($0, as: caller) { $0.valid = 0 } } == 0o644)
        }
        Share.write("x", to: share.path("file"))
        let node = try share.node("file")
        utimensat(AT_FDCWD, share.path("file"), [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 2, tv_nsec: 0)], 0)
        let before = share.status("file")
        try share.change(node) { $0.valid = 0 }
        let after = share.status("file")
        #expect((after.st_ctim.tv_sec, after.st_ctim.tv_nsec) > (before.st_ctim.tv_sec, before.st_ctim.tv_nsec))
        #expect(after.st_atim.tv_sec == 1 && after.st_mtim.tv_sec == 2 && after.st_uid == before.st_uid)
    }

    @Test("chown(2): set-group-ID of a file that its group can't run stays for root and members, not for others")
    func changeOwner() throws {
        let toOwnGroup: (inout fuse_setattr_in) -> Void = {
            $0.valid = UInt32(FATTR_GID | FATTR_KILL_SUIDGID)
            $0.gid = 1001
        }
        #expect(try mode(0o6745) { try share.change($0, as: root, toOwnGroup) } == 0o2745)
        #expect(try mode(0o6745) { try share.change($0, as: member, toOwnGroup) } == 0o2745)
        #expect(try mode(0o6745) { try share.change($0, as: stranger, toOwnGroup) } == 0o745)
        #expect(try mode(0o6755) { try share.change($0, as: root, toOwnGroup) } == 0o755)
    }

    @Test("A write or a truncation of a member of the file's group leaves set-group-ID that runs nothing")
    func members() throws {
        func written(by caller: Request) throws -> mode_t {
            try mode(0o6745) { node in
                let handle = try share.open(node, O_WRONLY)
                try share.write("y", node, handle, flags: FUSE_WRITE_KILL_SUIDGID, as: caller)
                try share.release(node, handle)
            }
        }
        func truncated(by caller: Request) throws -> mode_t {
            try mode(0o6745) { try share.change($0, as: caller) { $0.valid = UInt32(FATTR_SIZE | FATTR_KILL_SUIDGID) } }
        }
        #expect(try written(by: member) == 0o2745)
        #expect(try written(by: stranger) == 0o745)
        #expect(try truncated(by: member) == 0o2745)
        #expect(try truncated(by: stranger) == 0o745)
    }
}
