import Glibc
import GuestVFS
import HostDirectory
import Logging
import POSIXSuite
import Syscalls
import SystemPackage
import Testing
import Virtio
import VirtioFSDevice
import VirtioFSDriver
import VirtioTestSupport

/// The suite on a process of the simulated guest: the virtio path without this machine's FUSE.
@Suite struct WithoutMountTests {
    @Test("Without a kernel's mount, every case passes that needs none: what the kernel refuses on mounts, too")
    func withoutMount() async throws {
        let folder = TemporaryFolder()
        chmod(folder.path.string, 0o755)
        let files = try HostDirectory(path: folder.path)
        let device = VirtioFSDevice(files: files, settings: DeviceSettings(tag: "test")!)
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let driver = try VirtioFSDriver(transport: InProcessTransport(device: device), logger: quiet)
        let client = try await FUSEClient(driver: driver)
        let tally = try await Self.run(on: GuestProcess(client, as: Caller(uid: 0, gid: 0, umask: 0)))
        #expect(tally.failures == [])
        #expect(tally.passed == Suite.cases.filter { !$0.needs.contains(.kernel) }.count)
        #expect(
            KnownDifferences.onAnyMount.isSubset(of: tally.names), "the kernel's limits are shown to be the kernel's")
        #expect(files.openHandleCount == 0)
        await client.close()
        driver.shutDown()
    }

    /// On a thread that may block.
    private static func run(on process: GuestProcess) async throws -> Tally {
        try await withCheckedThrowingContinuation { continuation in
            do {
                _ = try OSThread(name: "suite") {
                    continuation.resume(
                        returning: Tally.run(
                            on: GuestCalls(process),
                            offers: [.root, .attributes, .lists, .secondView, .coherence]))
                }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}
