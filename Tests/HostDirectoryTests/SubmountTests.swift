import CKernel
import FUSEWire
import Glibc
import HostDirectory
import SystemPackage
import Testing

/// Another file system inside the share. In a process of its own, whose mounts go with it.
@Suite struct SubmountTests {
    @Test("A submount is announced to who wants to know, by LOOKUP and by READDIRPLUS, with the host's inode numbers")
    func announced() async {
        await #expect(processExitsWith: .success) {
            let share = try shareWithSubmount()
            _ = share.fs.begin(offered: .submounts)
            let entry = try share.lookup("other")
            #expect(entry.attr.flags == UInt32(FUSE_ATTR_SUBMOUNT))
            #expect(entry.attr.ino == share.status("other").st_ino)
            #expect(try share.lookup("plain").attr.flags == 0)
            let file = try share.lookup("file", in: NodeID(rawValue: entry.nodeid))
            #expect(file.attr.flags == 0 && file.attr.ino == share.status("other/file").st_ino)
            _ = share.fs.begin(offered: [])
            #expect(try share.lookup("other").attr.flags == 0)
        }
    }

    @Test("To any other client, files of two file systems with one inode number are two files, however it asks")
    func numbers() async {
        await #expect(processExitsWith: .success) {
            let share = try shareWithSubmount()
            _ = share.fs.begin(offered: [])
            let other = try share.node("other")
            // The share's root and the submount's are both the first inode of a tmpfs.
            #expect(share.status(".").st_ino == share.status("other").st_ino)
            let numbers = try [NodeID.root, other].map { try share.fs.getattr($0, nil, share.request()).attr.ino }
            #expect(numbers[0] == share.status(".").st_ino && numbers[1] != numbers[0])
            let file = try share.lookup("file", in: other)
            let handle = try share.opendir(other)
            let listed = try share.list(other, handle, plus: true).first { $0.text == "file" }
            #expect(listed?.inode == file.attr.ino && listed?.node == file.nodeid)
            var arguments = fuse_statx_in()
            arguments.sx_mask = UInt32(STATX_BASIC_STATS)
            let node = NodeID(rawValue: file.nodeid)
            #expect(try share.fs.statx(node, nil, arguments, share.request()).stat.ino == file.attr.ino)
        }
    }

    @Test("Between a submount and the share nothing is renamed or linked, as on the host: EXDEV")
    func crossing() async {
        await #expect(processExitsWith: .success) {
            let share = try shareWithSubmount()
            let other = try share.node("other")
            Share.write("x", to: share.path("here"))
            let name = share.name("here")
            let renamed = errorOf { try share.fs.rename(.root, name, to: other, name, flags: 0, share.request()) }
            #expect(renamed == .improperLink)
            let linked = errorOf { try share.fs.link(share.node("here"), to: other, name, share.request()) }
            #expect(linked == .improperLink)
            #expect(errorOf { try share.fs.rmdir(.root, share.name("other"), share.request()) } == .resourceBusy)
            #expect(try share.fs.statfs(other, share.request()).blocks == 256)
        }
    }
}

/// A share on a tmpfs of its own, with another tmpfs, of a megabyte, in its folder `other`.
private func shareWithSubmount() throws -> Share {
    try #require(CKernel.unshare(CLONE_NEWNS) == 0)
    try #require(CKernel.mount("none", "/", nil, UInt(MS_REC | MS_PRIVATE), nil) == 0)
    try #require(CKernel.mount("none", "/mnt", "tmpfs", 0, nil) == 0)
    let share = try Share(in: "/mnt", asMount: true)
    mkdir(share.path("other"), 0o755)
    mkdir(share.path("plain"), 0o755)
    try #require(CKernel.mount("none", share.path("other"), "tmpfs", 0, "size=1m") == 0)
    Share.write("x", to: share.path("other/file"))
    return share
}
