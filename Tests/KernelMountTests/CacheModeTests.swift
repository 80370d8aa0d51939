import Glibc
import HostDirectory
import SystemPackage
import Testing
import VirtioTestSupport

/// What becomes visible on the mount of what the host changes, in each cache mode: at once, after a time, or never.
@Suite(.serialized)
struct CacheModeTests {
    private let share = TemporaryFolder()

    /// What the host changed and the mount shows.
    private struct Seen: Equatable, CustomStringConvertible {
        /// A file's content, to a program that has it open, and to one that opens it.
        var content, contentAtOpen: Bool
        var attributes: Bool
        /// That a name has gone, and that one which was looked for in vain has come.
        var removal, appearance: Bool
        var listing: Bool

        var description: String {
            "content \(content), at open \(contentAtOpen), attributes \(attributes), removal \(removal), appearance "
                + "\(appearance), listing \(listing)"
        }
    }

    /// Makes files, has the kernel look at all of them through the mount, changes them on the host, and looks again.
    ///
    /// - Parameter waiting: whether to look for the changes until they are there, at most a minute.
    private func look(_ options: HostDirectoryOptions, waiting: Bool = false) throws -> Seen {
        let mount = try MountUnderTest(share.path, serving: options)
        func host(_ name: String) -> String { share.path.string + "/" + name }
        mkdir(host("folder"), 0o755)
        for name in ["open", "opened", "attributes", "folder/removed"] {
            HostFile.write("old", to: host(name), modified: 1_000_000)
        }
        chmod(host("attributes"), 0o644)
        unlink(host("appeared"))
        unlink(host("folder/new"))
        let file = open(mount.path("open"), O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        #expect(HostFile.content(file) == "old" && HostFile.content(mount.path("opened")) == "old")
        #expect(HostFile.status(mount.path("attributes"))?.st_mode == S_IFREG | 0o644)
        #expect(HostFile.exists(mount.path("folder/removed")) && !HostFile.exists(mount.path("appeared")))
        // The first listing leaves the folder's time of access unknown. opendir(3) asks for it, and learns of a change.
        for _ in 0..<2 { #expect(HostFile.names(mount.path("folder")) == ["removed"]) }

        HostFile.write("new", to: host("open"), modified: 2_000_000)
        HostFile.write("new", to: host("opened"), modified: 2_000_000)
        chmod(host("attributes"), 0o600)
        unlink(host("folder/removed"))
        HostFile.write("", to: host("folder/new"), modified: 2_000_000)
        HostFile.write("", to: host("appeared"), modified: 2_000_000)
        let deadline = ContinuousClock.now + (waiting ? .seconds(60) : .zero)
        func seen(_ condition: () -> Bool) -> Bool {
            while !condition() {
                guard ContinuousClock.now < deadline else { return false }
                sched_yield()
            }
            return true
        }
        return Seen(
            content: seen { HostFile.content(file) == "new" },
            contentAtOpen: seen { HostFile.content(mount.path("opened")) == "new" },
            attributes: seen { HostFile.status(mount.path("attributes"))?.st_mode == S_IFREG | 0o600 },
            removal: seen { !HostFile.exists(mount.path("folder/removed")) },
            appearance: seen { HostFile.exists(mount.path("appeared")) },
            listing: seen { HostFile.names(mount.path("folder")) == ["new"] })
    }

    /// Whether `expected` is what is seen. What the kernel remembers, another test may have made it forget meanwhile
    /// (drop_caches): then it is asked once more.
    private func expect(
        _ expected: Seen, _ options: HostDirectoryOptions, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        var seen = try look(options)
        for _ in 0..<3 where seen != expected { seen = try look(options) }
        #expect(seen == expected, sourceLocation: sourceLocation)
    }

    @Test("never: every change on the host is seen at once")
    func never() throws {
        let all = Seen(
            content: true, contentAtOpen: true, attributes: true, removal: true, appearance: true, listing: true)
        #expect(try look(HostDirectoryOptions(cache: .never)) == all)
        #expect(try look(HostDirectoryOptions(cache: .never, writeback: true)).content == false)
    }

    @Test("auto: changes are seen after the timeout, contents at the next open, and listings at once")
    func auto() throws {
        let all = Seen(
            content: true, contentAtOpen: true, attributes: true, removal: true, appearance: true, listing: true)
        let short = HostDirectoryOptions(
            cache: .auto, attributeTimeout: .milliseconds(20), entryTimeout: .milliseconds(20),
            negativeTimeout: .milliseconds(20))
        #expect(try look(short, waiting: true) == all)
        let long = HostDirectoryOptions(
            cache: .auto, attributeTimeout: .seconds(3600), entryTimeout: .seconds(3600),
            negativeTimeout: .seconds(3600))
        try expect(
            Seen(
                content: false, contentAtOpen: true, attributes: false, removal: false, appearance: false,
                listing: true), long)
    }

    @Test("metadata: names, attributes and listings stay, contents are seen at the next open")
    func metadata() throws {
        try expect(
            Seen(
                content: false, contentAtOpen: true, attributes: false, removal: false, appearance: true,
                listing: false), HostDirectoryOptions(cache: .metadata))
    }

    @Test("always: nothing is seen but names that are new, and not even those with a time for names not found")
    func always() throws {
        var seen = Seen(
            content: false, contentAtOpen: false, attributes: false, removal: false, appearance: true, listing: false)
        try expect(seen, HostDirectoryOptions(cache: .always))
        seen.appearance = false
        try expect(seen, HostDirectoryOptions(cache: .always, negativeTimeout: .seconds(3600)))
    }
}
