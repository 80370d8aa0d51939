import FUSEWire
import HostDirectory
import KernelMount
import SystemPackage
import Testing
import Virtio
import VirtioFSDevice
import VirtioFSDriver
import VirtioTestSupport

/// A mount of this process's on a folder of its own; its device counts what it is asked, and may be told to fail.
final class MountUnderTest {
    typealias Hook = HookedFileSystem<HostDirectory>.Hook

    private let place = TemporaryFolder()
    private let driver: VirtioFSDriver
    private let mount: KernelMount<DriverPath>
    let counts: Counts
    var mountPoint: String { place.path.string }

    /// - Parameters:
    ///   - options: as they follow `-o`.
    ///   - hook: comes before each operation of the device's.
    init(
        _ share: FilePath, serving: HostDirectoryOptions = .init(), limits: FUSELimits = .init(),
        options: [String] = [], hook: @escaping Hook = { _, _ in }
    ) throws {
        let counts = Counts()
        self.counts = counts
        let files = HookedFileSystem(try HostDirectory(path: share, options: serving)) {
            opcode, request throws(Errno) in
            counts.add(opcode)
            try hook(opcode, request)
        }
        var settings = DeviceSettings(tag: "test", requestQueueCount: 2)!
        settings.limits = limits
        // On a thread that is only lent, an operation that may block would start twice.
        settings.service.kick = .worker
        let device = VirtioFSDevice(files: files, settings: settings)
        driver = try VirtioFSDriver(transport: InProcessTransport(device: device))
        mount = try KernelMount(
            path: DriverPath(driver), mountPoint: place.path.string,
            options: ["fsname=test", "subtype=virtiofs", "default_permissions", "allow_other"] + options,
            readerCount: 2)
        try #require(mount.waitUntilUp(seconds: 60))
    }

    deinit { mount.end() }

    func path(_ name: String) -> String { mountPoint + "/" + name }

    /// How often each operation came.
    final class Counts: Sendable {
        private let counts = Guarded<[Opcode: Int]>([:])

        func add(_ opcode: Opcode) { counts.withLock { $0[opcode, default: 0] += 1 } }
        subscript(_ opcode: Opcode) -> Int { counts.withLock { $0[opcode, default: 0] } }
    }
}
