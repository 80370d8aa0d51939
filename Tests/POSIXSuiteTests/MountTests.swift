import Glibc
import POSIXSuite
import ServeSupport
import Testing

/// The suite on mounts: what a plain folder does, a mount does, but for ``KnownDifferences``.
@Suite(.serialized) struct MountTests {
    @Test("A mount by root is like the folder behind it")
    func root() throws {
        try expectOnlyKnownDifferences(try SuiteOnMount([]))
    }

    @Test("A mount by an ordinary user is like the folder behind it, for that user")
    func ordinaryUser() throws {
        try expectOnlyKnownDifferences(try SuiteOnMount(by: .ordinaryUser, ["--ring", "packed"]))
    }

    /// A device of another process.
    enum Device: Sendable {
        case confined, privileged, qemus

        static let tested: [Device] = {
            guard isFullRun else { return [.confined] }
            return [.confined, .privileged] + (OfferedDevice.Maker.present.contains(.qemu) ? [.qemus] : [])
        }()

        func offer() throws -> OfferedDevice {
            switch self {
            case .confined: try OfferedDevice(by: .serve)
            case .privileged: try OfferedDevice(by: .serve, ["--modcaps=+sys_admin:+linux_immutable"])
            case .qemus: try OfferedDevice(by: .qemu, ["-o", "posix_acl", "-o", "flock", "-o", "posix_lock"])
            }
        }

        var differences: Set<String> {
            switch self {
            case .confined: KnownDifferences.onConfinedDevice
            case .privileged: []
            case .qemus: KnownDifferences.onQEMUsDevice
            }
        }

        /// Cases that end the device.
        var deadly: Set<String> { self == .qemus ? KnownDifferences.endingQEMUsDevice : [] }
    }

    @Test(
        "A mount of another process's device is like the folder, but for what that device can't",
        arguments: Device.tested)
    func attached(_ made: Device) throws {
        let device = try made.offer()
        try expectOnlyKnownDifferences(
            try SuiteOnMount(attachedTo: device), leavingOut: made.deadly, besides: made.differences)
        // QEMU's ends with its front end.
        #expect(device.isRunning || made == .qemus)
    }

    @Test("Nothing that either side does is hidden from the other without a cache")
    func coherence() throws {
        let mount = try SuiteOnMount(["--cache", "never"])
        let lines = try mount.run(["--coherent", "--only", "view", "--only", "cache", "--only", "append"])
        #expect(lines.filter { !$0.hasPrefix("ok") }.count == 1, "\(lines)")
        try mount.end()
    }

    @Test("In every mode and with every kind of ring: some areas, and all in the full run", arguments: modes)
    func everyMode(options: [String]) throws {
        let mount = try SuiteOnMount(options)
        guard !isFullRun else {
            let collects = options == ["--writeback"]
            return try expectOnlyKnownDifferences(
                mount, options.last == "never" ? ["--coherent"] : [],
                leavingOut: collects ? KnownDifferences.nowAndThenWithWriteback : [],
                besides: collects ? KnownDifferences.withWriteback : [])
        }
        let lines = try mount.run(["--only", "mmap", "--only", "cache", "--only", "truncate", "--only", "list.seeking"])
        #expect(lines.filter { !$0.hasPrefix("ok") }.count == 1, "\(lines)")
        try mount.end()
    }

    private func expectOnlyKnownDifferences(
        _ mount: SuiteOnMount, _ options: [String] = [], leavingOut leftOut: Set<String> = [],
        besides others: Set<String> = []
    ) throws {
        let lines = try mount.run(options + leftOut.flatMap { ["--without", $0] })
        let failures = lines.filter { $0.hasPrefix("FAIL") }
        let names = failures.map { $0.dropFirst("FAIL ".count).prefix { $0 != ":" } }.map(String.init)
        #expect(Set(names) == KnownDifferences.onAnyMount.union(others), "\(failures)")
        #expect(lines.count == Suite.cases.count - leftOut.count + 1)
        try mount.end()
    }
}

/// Whether the long form of the tests is wanted.
private let isFullRun = getenv("VIRTIOFS_FULL") != nil

private let modes =
    isFullRun
    ? [
        ["--cache", "never"], ["--cache", "metadata"], ["--cache", "always"], ["--ring", "packed"], ["--writeback"],
        ["--queues", "1", "--queue-size", "4"], ["--kick", "worker", "--poll-us", "0"],
    ] : [["--cache", "always"], ["--cache", "metadata", "--queues", "1", "--queue-size", "4"]]
