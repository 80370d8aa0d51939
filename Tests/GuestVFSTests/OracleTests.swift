import CKernel
import Glibc
import GuestVFS
import HostDirectory
import Logging
import SystemPackage
import Testing
import Virtio
import VirtioFSDevice
import VirtioFSDriver
import VirtioTestSupport

/// Processes of the guest, beside a plain host folder.
@Suite(.enabled(if: geteuid() == 0))
struct OracleTests {
    @Test(
        "Whatever several users do, by whatever paths: each call has the result that the host's kernel gives",
        arguments: isFullRun ? Array(1...60) : [1, 2] as [UInt64])
    func sameAsHost(seed: UInt64) async throws {
        try await GuestUnderTest.run { test in
            let plain = TemporaryFolder()
            for folder in [plain.path, test.folder.path] { try #require(chmod(folder.string, 0o1777) == 0) }
            var guests: [GuestActor] = []
            for caller in Identities.callers { guests.append(GuestActor(process: try await test.process(caller))) }
            var generator = SeededGenerator(seed: seed)
            for step in 0..<3000 {
                let who = Int.random(in: 0..<guests.count, using: &generator)
                let action = Action.random(&generator)
                let caller = Identities.callers[who]
                let expected = try HostActor(root: plain.path.string, caller: caller).perform(action)
                let found = await guests[who].perform(action)
                try #require(found == expected, "seed \(seed), step \(step): \(action) as \(caller.uid):\(caller.gid)")
            }
        }
    }
}

/// Whether the long form of the tests is wanted.
private let isFullRun = getenv("VIRTIOFS_FULL") != nil

/// A device over a folder of its own, and a client.
struct GuestUnderTest {
    let folder = TemporaryFolder()
    let client: FUSEClient
    private let driver: VirtioFSDriver
    private let files: HostDirectory

    private init() async throws {
        files = try HostDirectory(path: folder.path)
        let device = VirtioFSDevice(files: files, settings: DeviceSettings(tag: "test")!)
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        driver = try VirtioFSDriver(transport: InProcessTransport(device: device), logger: quiet)
        client = try await FUSEClient(driver: driver)
    }

    func process(_ caller: Caller = .root, _ protections: Protections? = nil) async throws(Errno) -> GuestProcess {
        try await GuestProcess(client, as: caller, protections: protections)
    }

    /// Runs `body`; when its processes are gone, no lookup may be held and nothing be open.
    static func run(_ body: (GuestUnderTest) async throws -> Void) async throws {
        let test = try await GuestUnderTest()
        var failure: (any Error)?
        do { try await body(test) } catch { failure = error }
        #expect(test.client.heldLookups == 0)
        #expect(test.files.openHandleCount == 0)
        await test.client.close()
        test.driver.shutDown()
        if let failure { throw failure }
    }
}
