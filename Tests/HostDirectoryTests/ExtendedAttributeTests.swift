import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing

/// On a share, with the plain folder as the oracle: what one sets, the other has.
@Suite struct ExtendedAttributeTests {
    let share: Share
    init() throws { share = try Share() }

    private func set(_ node: NodeID, _ name: String, _ value: String, _ flags: Int32 = 0) throws {
        try Array(value.utf8).withUnsafeBytes { bytes in
            try share.fs.setxattr(
                node, share.name(name), bytes, flags: UInt32(flags), killsSetGID: false, share.request())
        }
    }

    private func get(_ node: NodeID, _ name: String, size: Int = 256) throws -> String {
        try string(size) { buffer throws(Errno) in
            try share.fs.getxattr(node, share.name(name), into: buffer, share.request())
        }
    }

    private func list(_ node: NodeID, size: Int = 4096, uid: UInt32 = geteuid()) throws -> Set<String> {
        let text = try string(size) { buffer throws(Errno) in
            try share.fs.listxattr(node, into: buffer, share.request(uid: uid))
        }
        return Set(text.split(separator: "\0").map(String.init))
    }

    private func string(
        _ size: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(Errno) -> Int
    ) throws(Errno) -> String {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
        defer { buffer.deallocate() }
        let count = try fill(UnsafeMutableRawBufferPointer(start: size == 0 ? nil : buffer.baseAddress, count: size))
        return size == 0 ? String(count) : String(decoding: buffer[..<count], as: UTF8.self)
    }

    private func host(_ name: String, _ attribute: String) -> String? {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = lgetxattr(share.path(name), attribute, &bytes, bytes.count)
        return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }

    @Test("Attributes of files and folders are the host's: set, get, list, remove, create and replace only")
    func files() throws {
        Share.write("", to: share.path("file"))
        mkdir(share.path("folder"), 0o755)
        for name in ["file", "folder"] {
            let node = try share.node(name)
            try set(node, "user.one", "first")
            #expect(host(name, "user.one") == "first")
            lsetxattr(share.path(name), "user.two", "second", 6, 0)
            #expect(try get(node, "user.two") == "second")
            #expect(try get(node, "user.two", size: 0) == "6")
            #expect(errorOf { try get(node, "user.two", size: 5) } == Errno(rawValue: ERANGE))
            #expect(try list(node) == ["user.one", "user.two"])
            #expect(errorOf { try list(node, size: 3) } == Errno(rawValue: ERANGE))
            #expect(errorOf { try set(node, "user.one", "x", XATTR_CREATE.asFlags) } == .fileExists)
            #expect(errorOf { try set(node, "user.three", "x", XATTR_REPLACE.asFlags) } == Errno(rawValue: ENODATA))
            try share.fs.removexattr(node, share.name("user.one"), share.request())
            #expect(host(name, "user.one") == nil)
            #expect(errorOf { try get(node, "user.one") } == Errno(rawValue: ENODATA))
            #expect(errorOf { try set(node, "nowhere.x", "x") } == Errno(rawValue: EOPNOTSUPP))
            let long = "user." + String(repeating: "n", count: 251)
            #expect(errorOf { try set(node, long, "x") } == Errno(rawValue: ERANGE))
        }
    }

    @Test("Who isn't root sees no trusted attribute in a list, nor in its size")
    func trusted() throws {
        Share.write("", to: share.path("file"))
        let node = try share.node("file")
        try set(node, "trusted.one", "x")
        try set(node, "user.two", "x")
        try set(node, "trusted.three", "x")
        #expect(try list(node) == ["trusted.one", "user.two", "trusted.three"])
        #expect(try list(node, uid: 1000) == ["user.two"])
        #expect(try list(node, size: 0, uid: 1000) == ["9"])
        #expect(try list(node, size: 9, uid: 1000) == ["user.two"])
        #expect(errorOf { try list(node, size: 8, uid: 1000) } == Errno(rawValue: ERANGE))
        try share.fs.removexattr(node, share.name("user.two"), share.request())
        #expect(try list(node, uid: 1000) == [])
    }

    @Test("Symbolic links and special files have their own attributes, not those of what they point to")
    func special() throws {
        symlink(share.base + "/outside", share.path("link"))
        mkfifo(share.path("fifo"), 0o600)
        for name in ["link", "fifo"] {
            let node = try share.node(name)
            try set(node, "trusted.mine", "value")
            #expect(host(name, "trusted.mine") == "value")
            #expect(try get(node, "trusted.mine") == "value")
            #expect(try list(node) == ["trusted.mine"])
            let expected = errorOfHost { lsetxattr(share.path(name), "user.x", "x", 1, 0) }
            #expect(errorOf { try set(node, "user.x", "x") } == expected)
        }
        #expect(getxattr(share.base + "/outside", "trusted.mine", nil, 0) == -1)
    }

    @Test("Without attributes they are ENOSYS; on a read-only share they can be read")
    func options() throws {
        let without = try Share(HostDirectoryOptions(extendedAttributes: false))
        let empty = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        #expect(errorOf { try without.fs.listxattr(.root, into: empty, without.request()) } == .noFunction)
        let readOnly = try Share(HostDirectoryOptions(readOnly: true))
        #expect(try readOnly.fs.listxattr(.root, into: empty, readOnly.request()) == 0)
        #expect(
            errorOf { try readOnly.fs.removexattr(.root, readOnly.name("user.x"), readOnly.request()) }
                == .readOnlyFileSystem)
    }

    @Test("Setting an access ACL clears set-group-ID when the client says so, and only then")
    func accessACL() throws {
        Share.write("", to: share.path("file"))
        let node = try share.node("file")
        let acl = ACL.bytes([(.user, 7), (.group, 5), (.mask, 5), (.namedUser(1234), 6), (.other, 0)])
        for kills in [false, true] {
            chmod(share.path("file"), 0o2755)
            try acl.withUnsafeBytes { bytes in
                try share.fs.setxattr(
                    node, share.name("system.posix_acl_access"), bytes, flags: 0, killsSetGID: kills, share.request())
            }
            #expect(share.status("file").st_mode & 0o7777 == (kills ? 0o750 : 0o2750))
        }
    }

    @Test("A folder's default ACL decides in place of the umask; without one the umask does", arguments: [false, true])
    func defaultACL(hasDefault: Bool) throws {
        let acl = ACL.bytes([(.user, 7), (.namedUser(1234), 7), (.group, 5), (.mask, 7), (.other, 5)])
        if hasDefault { lsetxattr(share.root, "system.posix_acl_default", acl, acl.count, 0) }
        try onOwnThread {
            let creating = fuse_create_in(flags: UInt32(O_RDWR), mode: 0o666, umask: 0o77, open_flags: 0)
            _ = try share.fs.create(.root, share.name("mine"), creating, share.request())
            let making = fuse_mkdir_in(mode: 0o777, umask: 0o77)
            _ = try share.fs.mkdir(.root, share.name("d mine"), making, share.request())
            umask(0o77)
            close(creat(share.path("host"), 0o666))
            mkdir(share.path("d host"), 0o777)
        }
        for prefix in ["", "d "] {
            let (mine, host) = (prefix + "mine", prefix + "host")
            #expect(share.status(mine).st_mode == share.status(host).st_mode)
            #expect(self.host(mine, "system.posix_acl_access") == self.host(host, "system.posix_acl_access"))
        }
        #expect(share.status("mine").st_mode & 0o777 == (hasDefault ? 0o664 : 0o600))
    }

    @Test("Both sizes of SETXATTR are understood, and GETXATTR's two replies")
    func wire() throws {
        for extended in [false, true] {
            let offer = InitFlags(rawValue: .max)
            let wire = try Wire(offering: extended ? offer : offer.subtracting(.setxattrExtended))
            #expect(wire.flags.contains(.setxattrExtended) == extended)
            let head = Wire.bytes([UInt32(3), 0] + (extended ? [0, 0] : []))
            let value: [UInt8] = [1, 0, 2]
            #expect(wire.ask(.setxattr, .root, head + Wire.name("user.w") + value).error == 0)
            #expect(wire.ask(.setxattr, .root, head + Wire.name("user.w") + [1]).error == EINVAL)
            let asking = Wire.bytes(fuse_getxattr_in(size: 0, padding: 0)) + Wire.name("user.w")
            #expect(wire.ask(.getxattr, .root, asking).load(fuse_getxattr_out.self).size == 3)
            let getting = Wire.bytes(fuse_getxattr_in(size: 3, padding: 0)) + Wire.name("user.w")
            #expect(wire.ask(.getxattr, .root, getting).payload == value)
            #expect(wire.ask(.getxattr, .root, getting, room: 18).error == EINVAL)
            let small = Wire.bytes(fuse_getxattr_in(size: 2, padding: 0)) + Wire.name("user.w")
            #expect(wire.ask(.getxattr, .root, small).error == ERANGE)
            #expect(
                wire.ask(.listxattr, .root, Wire.bytes(fuse_getxattr_in(size: 64, padding: 0))).payload
                    == Wire.name("user.w"))
            #expect(wire.ask(.removexattr, .root, Wire.name("user.w")).error == 0)
        }
    }

}

extension Wire {
    static func bytes(_ words: [UInt32]) -> [UInt8] { words.flatMap { bytes($0) } }
}

extension Numeric where Self: BinaryInteger {
    fileprivate var asFlags: Int32 { Int32(self) }
}

extension RawRepresentable where RawValue: BinaryInteger {
    fileprivate var asFlags: Int32 { Int32(rawValue) }
}

/// A POSIX ACL as the attributes have it (linux/posix_acl_xattr.h).
enum ACL {
    enum Who {
        case user, namedUser(UInt32), group, mask, other

        var words: (tag: UInt16, id: UInt32) {
            switch self {
            case .user: (0x01, .max)
            case .namedUser(let id): (0x02, id)
            case .group: (0x04, .max)
            case .mask: (0x10, .max)
            case .other: (0x20, .max)
            }
        }
    }

    static func bytes(_ entries: [(Who, UInt16)]) -> [UInt8] {
        entries.sorted { $0.0.words.tag < $1.0.words.tag }.reduce(into: Wire.bytes(UInt32(2))) { bytes, entry in
            bytes += Wire.bytes(entry.0.words.tag) + Wire.bytes(entry.1) + Wire.bytes(entry.0.words.id)
        }
    }
}
