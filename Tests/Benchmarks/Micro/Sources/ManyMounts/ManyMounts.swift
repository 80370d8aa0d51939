import Glibc
import HostDirectory
import KernelMount
import SystemPackage
import Virtio
import VirtioFSDevice
import VirtioFSDriver

/// `ManyMounts SHARE MOUNTPOINT…`: a device, a driver and a mount of the share for each mount point, all in this process,
/// as `virtiofs mount` makes one. It says `mounted` and serves until its standard input ends.
@main
enum ManyMounts {
    static func main() {
        guard CommandLine.arguments.count > 2 else {
            complain("usage: ManyMounts SHARE MOUNTPOINT...")
            exit(64)
        }
        var mounts: [KernelMount<DriverPath>] = []
        var status: Int32 = 0
        do {
            for mountPoint in CommandLine.arguments[2...] {
                mounts.append(try mount(CommandLine.arguments[1], at: mountPoint))
                guard mounts.last!.waitUntilUp(seconds: 10) else { throw Errno.timedOut }
            }
            print("mounted")
            fflush(nil)
            while readLine() != nil {}
        } catch {
            complain("ManyMounts: \(error)")
            status = 1
        }
        for mount in mounts { mount.end() }
        exit(status)
    }

    private static func mount(_ share: String, at mountPoint: String) throws -> KernelMount<DriverPath> {
        let settings = DeviceSettings(tag: "many", requestQueueCount: UInt32(readerCount))!
        let device = VirtioFSDevice(files: try HostDirectory(path: FilePath(share)), settings: settings)
        var options = DriverOptions()
        options.requestQueueCount = readerCount
        let driver = try VirtioFSDriver(transport: InProcessTransport(device: device), options: options)
        return try KernelMount(
            path: DriverPath(driver), mountPoint: mountPoint,
            options: ["fsname=many", "subtype=virtiofs", "default_permissions"], readerCount: readerCount)
    }

    /// As many as the command has by default.
    private static let readerCount = 1 + min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 2), 8)

    private static func complain(_ text: String) {
        let line = text + "\n"
        _ = write(STDERR_FILENO, line, line.utf8.count)
    }
}
