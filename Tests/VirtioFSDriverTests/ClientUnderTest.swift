import CKernel
import FUSEWire
import HostDirectory
import Logging
import Syscalls
import SystemPackage
import Testing
import Virtio
import VirtioFSDevice
import VirtioFSDriver
import VirtioTestSupport

/// The async client in front of our own device, which serves a folder that the test looks into for comparison.
struct ClientUnderTest {
    typealias Files = HookedFileSystem<HostDirectory>

    let folder = TemporaryFolder()
    let client: FUSEClient
    let driver: VirtioFSDriver
    private let files: HostDirectory
    let caller = Caller(uid: geteuid(), gid: getegid(), pid: UInt32(getpid()))

    /// - Parameter hook: comes before each operation of the device's.
    private init(
        _ options: DriverOptions, serving: HostDirectoryOptions, hook: @escaping Files.Hook
    ) async throws {
        files = try HostDirectory(path: folder.path, options: serving)
        let settings = DeviceSettings(tag: "test", requestQueueCount: UInt32(options.requestQueueCount))!
        let device = VirtioFSDevice(files: HookedFileSystem(files, hook: hook), settings: settings)
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        driver = try VirtioFSDriver(transport: InProcessTransport(device: device), options: options, logger: quiet)
        client = try await FUSEClient(driver: driver)
    }

    /// Runs `body` with a client; in the end both sides have to agree on how many lookups are held, and on none once all
    /// are given back.
    static func run(
        _ options: DriverOptions = .init(), serving: HostDirectoryOptions = .init(),
        hook: @escaping Files.Hook = { _, _ in }, _ body: (ClientUnderTest) async throws -> Void
    ) async throws {
        let test = try await ClientUnderTest(options, serving: serving, hook: hook)
        do {
            try await body(test)
        } catch {
            await test.end()
            throw error
        }
        // A reply shows that the hiprio queue's requests before it were served, but only in order of one queue.
        #expect(test.settles { test.files.lookupCount == test.client.heldLookups })
        test.client.forgetAll()
        #expect(test.client.heldLookups == 0)
        #expect(test.settles { test.files.lookupCount == 0 })
        #expect(test.files.openHandleCount == 0)
        await test.end()
    }

    private func end() async {
        await client.close()
        driver.shutDown()
    }

    /// FORGETs are not answered: looks until they have been served.
    private func settles(_ condition: () -> Bool) -> Bool {
        let deadline = ContinuousClock.now + .seconds(20)
        while !condition() {
            guard ContinuousClock.now < deadline else { return false }
            sched_yield()
        }
        return true
    }

    func hostPath(_ name: String) -> String { folder.path.appending(name).string }

    /// What the host says of a file, without following a link.
    func hostStatus(_ name: String) throws -> CKernel.stat {
        var status = CKernel.stat()
        try #require(lstat(hostPath(name), &status) == 0)
        return status
    }

    func node(_ name: String) async throws(Errno) -> NodeID {
        NodeID(rawValue: try await client.lookup(.root, EntryName(name), as: caller).nodeid)
    }

    /// Runs `body` with an open file.
    func withFile<Result>(
        _ name: String, _ flags: Int32, _ body: (NodeID, FileHandle) async throws -> Result
    ) async throws -> Result {
        let node = try await node(name)
        let handle = FileHandle(rawValue: try await client.open(node, flags: flags, as: caller).fh)
        do {
            let result = try await body(node, handle)
            try await client.release(node, handle, flags: flags, as: caller)
            return result
        } catch {
            try await client.release(node, handle, flags: flags, as: caller)
            throw error
        }
    }
}

/// The error that a call throws.
func failure<Value>(_ body: () async throws(Errno) -> Value) async -> Errno? {
    do throws(Errno) {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}
