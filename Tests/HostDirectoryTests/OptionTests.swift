import CKernel
import FUSEWire
import HostDirectory
import SystemPackage
import Testing

@Suite struct OptionTests {
    @Test(
        "Each cache mode gives its times and flags",
        arguments: [(CacheMode.never, 0, 0, 0), (.auto, 1, 0, 0), (.metadata, 86_400, 0, 10), (.always, 86_400, 2, 10)])
    func cacheModes(mode: CacheMode, seconds: UInt64, file: UInt32, folder: UInt32) throws {
        let share = try Share(HostDirectoryOptions(cache: mode))
        Share.write("", to: share.path("file"))
        let entry = try share.lookup("file")
        #expect(entry.entry_valid == seconds && entry.attr_valid == seconds)
        #expect(entry.entry_valid_nsec == 0 && entry.attr_valid_nsec == 0)
        #expect(try share.fs.getattr(.root, nil, share.request()).attr_valid == seconds)
        let node = NodeID(rawValue: entry.nodeid)
        #expect(try share.fs.open(node, fuse_open_in(), share.request()).open_flags == file)
        #expect(try share.fs.opendir(.root, fuse_open_in(), share.request()).open_flags == folder)
        let chosen = share.fs.begin(offered: InitFlags(rawValue: .max))
        #expect(chosen.contains(.cacheSymlinks) == (mode == .always))
        #expect(chosen.contains(.autoInvalidateData) == (mode != .always))
        #expect(!chosen.contains(.writebackCache) && chosen.isSuperset(of: [.posixACL, .dontMask]))
        let withoutMask = share.fs.begin(offered: InitFlags(rawValue: .max).subtracting(.dontMask))
        #expect(withoutMask.isDisjoint(with: [.posixACL, .dontMask]))
        #expect(share.fs.begin(offered: []) == [])
    }

    @Test("Listings with attributes, and the end of privileges, are the client's again where they are not wanted")
    func withoutFlags() throws {
        var options = HostDirectoryOptions()
        options.attributesInListings = false
        options.killsPrivileges = false
        options.announcesSubmounts = false
        let share = try Share(options)
        let chosen = share.fs.begin(offered: InitFlags(rawValue: .max))
        #expect(chosen.isDisjoint(with: [.doReaddirplus, .readdirplusAuto, .handleKillprivV2, .submounts]))
    }

    @Test("Times that are given override the mode's")
    func times() throws {
        let options = HostDirectoryOptions(
            cache: .always, attributeTimeout: .milliseconds(2500), entryTimeout: .zero)
        let share = try Share(options)
        Share.write("", to: share.path("file"))
        let entry = try share.lookup("file")
        #expect(entry.entry_valid == 0 && entry.entry_valid_nsec == 0)
        #expect(entry.attr_valid == 2 && entry.attr_valid_nsec == 500_000_000)
    }

    @Test("STATFS is the host's, ACCESS tells whether the node exists, a folder that isn't one is refused")
    func status() throws {
        let share = try Share()
        var host = statvfs64()
        statvfs64(share.root, &host)
        let status = try share.fs.statfs(.root, share.request())
        #expect(status.blocks == host.f_blocks && status.files == host.f_files)
        #expect(status.bsize == host.f_bsize && status.frsize == host.f_frsize && status.namelen == host.f_namemax)
        try share.fs.access(.root, mask: 0, share.request())
        #expect(errorOf { try HostDirectory(path: FilePath(share.base + "/outside")) } == .notDirectory)
        #expect(errorOf { try HostDirectory(path: "/no/such/folder") } == .noSuchFileOrDirectory)
    }
}
