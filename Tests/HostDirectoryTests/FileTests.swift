import CKernel
import FUSEWire
import HostDirectory
import Syscalls
import SystemPackage
import Testing

@Suite struct FileTests {
    let share: Share
    init() throws { share = try Share() }

    @Test("What is written is what the host has, and what the host has is what is read; holes are zeros")
    func contents() throws {
        let (node, handle) = try share.create("file")
        #expect(try share.write("hello", node, handle) == 5)
        #expect(share.contents("file") == "hello")
        #expect(try share.read(node, handle, at: 1, count: 3) == "ell")
        #expect(try share.read(node, handle, at: 5) == "")
        #expect(try share.write("end", node, handle, at: 1 << 20) == 3)
        #expect(share.status("file").st_size == 1 << 20 + 3 && share.status("file").st_blocks < 64)
        #expect(try share.read(node, handle, at: 1 << 19, count: 2) == "\0\0")
        #expect(errorOf { try share.write("x", node, handle, at: 1 << 63) } == .invalidArgument)
        #expect(errorOf { try share.read(node, handle, at: .max) } == .invalidArgument)
        #expect(errorOf { try share.write("x", node, handle, at: UInt64(Int64.max)) } != Errno(rawValue: 0))
        try share.release(node, handle)
    }

    @Test("More segments than one system call takes are all read and written")
    func manySegments() throws {
        let (node, handle) = try share.create("file")
        var bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        var copy = [UInt8](repeating: 0, count: 6000)
        try bytes.withUnsafeMutableBytes { buffer in
            let segments = (0..<2500).map { iovec(iov_base: buffer.baseAddress! + 2 * $0, iov_len: 2) }
            var arguments = fuse_write_in()
            arguments.fh = handle
            let count = try segments.withUnsafeBufferPointer {
                try share.fs.write(node, arguments, from: $0, share.request())
            }
            #expect(count == 5000)
        }
        try copy.withUnsafeMutableBytes { buffer in
            let segments = (0..<3000).map { iovec(iov_base: buffer.baseAddress! + 2 * $0, iov_len: 2) }
            var arguments = fuse_read_in()
            arguments.fh = handle
            let count = try segments.withUnsafeBufferPointer {
                try share.fs.read(node, arguments, into: $0, share.request())
            }
            #expect(count == 5000)
        }
        #expect(Array(copy[..<5000]) == bytes)
    }

    @Test("An unlinked file stays readable while it is open, and has no name")
    func unlinked() throws {
        let (node, handle) = try share.create("file")
        try share.write("still here", node, handle)
        try share.fs.unlink(.root, share.name("file"), share.request())
        #expect(errorOf { try share.lookup("file") } == .noSuchFileOrDirectory)
        #expect(try share.read(node, handle) == "still here")
        #expect(try share.fs.getattr(node, nil, share.request()).attr.nlink == 0)
        let second = try share.open(node, O_RDONLY)
        #expect(try share.read(node, second) == "still here")
    }

    @Test("O_TRUNC truncates, flags that make or follow are dropped")
    func openFlags() throws {
        Share.write("one", to: share.path("file"))
        let node = try share.node("file")
        _ = try share.open(node, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_DIRECTORY | O_PATH | O_DIRECT)
        _ = try share.open(node, O_WRONLY | O_TRUNC)
        #expect(share.contents("file") == "")
    }

    @Test("With writeback, a file opened for writing can be read, and does not append by itself")
    func writeback() throws {
        let share = try Share(HostDirectoryOptions(writeback: true))
        Share.write("one", to: share.path("file"))
        let node = try share.node("file")
        let handle = try share.open(node, O_WRONLY | O_APPEND)
        #expect(try share.read(node, handle) == "one")
        try share.write("two", node, handle, at: 0, openFlags: O_APPEND)
        #expect(share.contents("file") == "two")
    }

    @Test("Each WRITE says whether it appends: the flag can be taken away, and a mapping's pages never do")
    func appending() throws {
        Share.write("one", to: share.path("file"))
        let node = try share.node("file")
        let handle = try share.open(node, O_RDWR | O_APPEND)
        try share.write("two", node, handle, at: 0, openFlags: O_RDWR | O_APPEND)
        #expect(share.contents("file") == "onetwo")
        try share.write("1", node, handle, at: 0, openFlags: O_RDWR)
        try share.write("2", node, handle, at: 1, flags: FUSE_WRITE_CACHE)
        #expect(share.contents("file") == "12etwo")
        let other = try share.open(node, O_WRONLY)
        try share.write("end", node, other, at: 0, openFlags: O_WRONLY | O_APPEND)
        #expect(share.contents("file") == "12etwoend")
    }

    @Test("A file that can only be appended to is opened for that, and for nothing else")
    func appendOnly() throws {
        Share.write("one", to: share.path("file"))
        let file = try FileDescriptor.open(share.path("file"), .readOnly)
        defer { try? file.close() }
        // Beside those that the host has set: without its FS_EXTENT_FL, ext4 would have to lay the file out anew.
        var before: UInt32 = 0
        _ = try file.control(ck_fs_ioc_getflags, &before)
        var flags = before | UInt32(FS_APPEND_FL)
        _ = try file.control(ck_fs_ioc_setflags, &flags)
        defer { _ = try? file.control(ck_fs_ioc_setflags, &before) }
        let node = try share.node("file")
        #expect(errorOf { try share.open(node, O_WRONLY) } == .notPermitted)
        let handle = try share.open(node, O_WRONLY | O_APPEND)
        try share.write("two", node, handle, at: 0, openFlags: O_WRONLY | O_APPEND)
        #expect(share.contents("file") == "onetwo")
    }

    @Test("A handle is good for its node, its kind and its time only: else EBADF")
    func wrongHandle() throws {
        let (node, handle) = try share.create("file")
        let (other, otherHandle) = try share.create("other")
        let folder = try share.opendir(.root)
        let bad = [otherHandle, folder, 0, 1, handle + 1 << 32, .max, node.rawValue ^ 1]
        for wrong in bad where wrong != handle {
            #expect(errorOf { try share.read(node, wrong) } == .badFileDescriptor)
            #expect(errorOf { try share.write("x", node, wrong) } == .badFileDescriptor)
            #expect(errorOf { try share.release(node, wrong) } == .badFileDescriptor)
        }
        #expect(errorOf { try share.readdir(node, handle, from: 0, size: 512, plus: true) } == .badFileDescriptor)
        #expect(errorOf { try share.readdir(.root, handle, from: 0, size: 512, plus: true) } == .badFileDescriptor)
        #expect(errorOf { try share.release(.root, folder) } == .badFileDescriptor)
        #expect(share.fs.openHandleCount == 3)
        try share.release(node, handle)
        try share.release(other, otherHandle)
        try share.release(.root, folder, folder: true)
        #expect(errorOf { try share.release(node, handle) } == .badFileDescriptor)
        #expect(share.fs.openHandleCount == 0)
    }

    @Test("Size, mode, owner and times are set as asked, and the reply tells it")
    func setattr() throws {
        Share.write("hello", to: share.path("file"))
        let node = try share.node("file")
        let changed = try share.change(node) {
            $0.valid = UInt32(
                FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME | FATTR_CTIME)
            ($0.mode, $0.uid, $0.gid, $0.size) = (0o640, 1000, 1001, 2)
            ($0.atime, $0.atimensec) = (UInt64(bitPattern: -5), 7)
            ($0.mtime, $0.mtimensec) = (4_000_000_000, 999_999_999)
        }
        let host = share.status("file")
        #expect(changed.isEqual(to: host))
        #expect(host.st_mode & 0o7777 == 0o640 && host.st_uid == 1000 && host.st_gid == 1001 && host.st_size == 2)
        #expect(host.st_atim.tv_sec == -5 && host.st_atim.tv_nsec == 7 && host.st_mtim.tv_sec == 4_000_000_000)
        _ = try share.change(node) { $0.valid = UInt32(FATTR_MTIME_NOW | FATTR_MTIME) }
        #expect(share.status("file").st_atim.tv_sec == -5 && share.status("file").st_mtim.tv_sec < 4_000_000_000)
        #expect(share.status("file").st_mtim.tv_sec > 1_000_000_000)
        let wrong = [(FATTR_SIZE, 1 << 63), (FATTR_SIZE, UInt64.max), (FATTR_FH | FATTR_SIZE, 0)]
        for (valid, size) in wrong {
            #expect(
                errorOf {
                    try share.change(node) {
                        $0.valid = UInt32(valid)
                        $0.size = size
                        $0.fh = 99
                    }
                } != Errno(rawValue: 0))
        }
        #expect(errorOf { try share.change(.root) { $0.valid = UInt32(FATTR_SIZE) } } == .isDirectory)
        symlink("x", share.path("link"))
        let link = try share.node("link")
        #expect(errorOf { try share.change(link) { $0.valid = UInt32(FATTR_MODE) } }.rawValue == EOPNOTSUPP)
        _ = try share.change(link) { $0.valid = UInt32(FATTR_MTIME) }
        #expect(share.status("link").st_mtim.tv_sec == 0)
    }

    @Test("Set-user-ID goes when the client says so, and stays when it does not")
    func killSetID() throws {
        let (node, handle) = try share.create("file", mode: 0o6755)
        try share.write("x", node, handle)
        #expect(share.status("file").st_mode & 0o7777 == 0o6755)
        try share.write("x", node, handle, flags: FUSE_WRITE_KILL_SUIDGID)
        #expect(share.status("file").st_mode & 0o7777 == 0o755)
        chmod(share.path("file"), 0o6755)
        _ = try share.change(node) { $0.valid = UInt32(FATTR_SIZE | FATTR_KILL_SUIDGID) }
        #expect(share.status("file").st_mode & 0o7777 == 0o755)
        chmod(share.path("file"), 0o6755)
        let truncating = fuse_open_in(
            flags: UInt32(O_WRONLY | O_TRUNC), open_flags: UInt32(FUSE_OPEN_KILL_SUIDGID))
        _ = try share.fs.open(node, truncating, share.request())
        #expect(share.status("file").st_mode & 0o7777 == 0o755)
    }
}
