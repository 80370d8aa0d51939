import Glibc
import ProcessSupport
import SystemPackage
import Testing
import VirtioTestSupport

/// Code inside a sandbox tries to leave it, each time in a process of its own; see the article "What a sandbox promises".
@Suite struct EscapeTests {
    static let byFiles = [
        "absolute-path", "path-above-root", "path-above-working-folder", "symbolic-link", "descriptors",
        "folder-descriptors", "process-folder", "kernel-settings", "device-node", "program-of-the-share",
    ]
    static let byPrivilege = [
        "file-handle", "second-root", "mount", "mount-copy", "unmount", "read-only-off", "capabilities-back",
    ]
    static let byProcesses = [
        "trace", "memory-of-a-process", "signal", "thread-signal", "processors-of-a-process", "process-descriptor",
        "signal-of-a-file",
    ]
    static let byNetwork = ["network", "abstract-socket"]
    static let byKernel = ["host-name", "user-namespace", "new-process", "memory-becomes-program", "terminal-input"]
    /// Made of calls that the device makes, too: the filter lets them through.
    static let withUsualCalls = Set(byFiles).subtracting(["program-of-the-share"]).union(["capabilities-back"])

    @Test("Without its filter, namespaces and capabilities alone keep code in", arguments: ["root", "ordinary"])
    func namespaces(user: String) throws {
        let place = try Place(user: user)
        for attempt in Self.byFiles + Self.byPrivilege + Self.byProcesses + Self.byNetwork + ["terminal-input"] {
            #expect(try place.fate(of: attempt, in: "namespace/none/\(user)") == .closed, "\(attempt)")
        }
    }

    @Test(
        "With its filter, the first call that the device has no use for is the last", arguments: ["root", "ordinary"])
    func filter(user: String) throws {
        let place = try Place(user: user)
        for attempt in Self.byFiles + Self.byPrivilege + Self.byProcesses + Self.byNetwork + Self.byKernel {
            let expected: Fate = Self.withUsualCalls.contains(attempt) ? .closed : .killed
            #expect(try place.fate(of: attempt, in: "namespace/kill/\(user)") == expected, "\(attempt)")
        }
    }

    @Test("In a chroot, files are out of reach without the filter, and all else with it")
    func chroot() throws {
        let place = try Place(user: "root")
        for attempt in Self.byFiles + Self.byPrivilege {
            #expect(try place.fate(of: attempt, in: "chroot/none/root") == .closed, "\(attempt)")
        }
        for attempt in Self.byProcesses + Self.byNetwork + Self.byKernel {
            #expect(try place.fate(of: attempt, in: "chroot/kill/root") == .killed, "\(attempt)")
        }
    }

    @Test("In a chroot without CAP_SYS_ADMIN, as in a container, no file outside is opened by whatever path")
    func chrootInContainer() throws {
        let place = try Place(user: "root")
        // A folder outside can be looked at, and a device that the guest has made be opened.
        let files = Self.byFiles.filter { !["folder-descriptors", "device-node"].contains($0) }
        for attempt in files + Self.byPrivilege {
            #expect(try place.fate(of: attempt, in: "chroot/none/root", without: "sys_admin") == .closed, "\(attempt)")
        }
    }

    @Test("Without a sandbox there is still the filter, and there are no more capabilities")
    func filterAlone() throws {
        let place = try Place(user: "root")
        for attempt in Self.byProcesses + Self.byNetwork + Self.byKernel {
            #expect(try place.fate(of: attempt, in: "none/kill/root") == .killed, "\(attempt)")
        }
        for attempt in Self.byPrivilege {
            #expect(try place.fate(of: attempt, in: "none/none/root") == .closed, "\(attempt)")
        }
    }

    @Test("The attempts themselves work, where nothing stands in their way")
    func attemptsWork() throws {
        let place = try Place(user: "root")
        let closedByNobody = [
            "absolute-path", "path-above-root", "path-above-working-folder", "symbolic-link", "folder-descriptors",
            "process-folder", "kernel-settings", "device-node", "program-of-the-share", "user-namespace", "new-process",
            "memory-becomes-program",
        ]
        for attempt in closedByNobody + Self.byProcesses + Self.byNetwork {
            #expect(try place.fate(of: attempt, in: "none/none/root") == .open, "\(attempt)")
        }
    }

    @Test("An ordinary user's process inside is not the host's root")
    func realRoot() throws {
        #expect(try Place(user: "ordinary").fate(of: "real-root", in: "namespace/none/ordinary") == .closed)
    }
}
