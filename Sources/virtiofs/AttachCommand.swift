import ArgumentParser
import KernelMount
import Logging
import Syscalls
import SystemPackage
import VirtioFSDriver

/// `virtiofs attach`: a driver and a kernel mount in this process, for a device that another process offers (vhost-user).
struct AttachCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach",
        abstract: "Mount a vhost-user-fs device of another process.",
        discussion: """
            The device is any that listens at PATH: of 'virtiofs serve', or another virtiofsd. It serves this machine's \
            kernel as it would a virtual machine's. The command returns when the mount is up and goes on in the \
            background; 'fusermount3 -u MOUNTPOINT' ends it. Where the device goes away, what is asked of the mount is \
            answered with an input/output error.
            """)

    @Option(help: "The socket at which the device is offered.")
    var socketPath: String
    @Argument(help: "An existing folder.")
    var mountpoint: String

    @Option(help: "The tag that the device must have; for one that doesn't tell its own, the name of the file system.")
    var tag: String?
    @Option(name: .customShort("o"), help: "Mount options, as FUSE knows them, with commas between them.")
    var options: [String] = []
    @Flag(name: [.customShort("f"), .long], help: "Stay in the foreground.")
    var foreground = false
    @Flag(name: .shortAndLong, help: "Log to standard error (twice: more).")
    var verbose: Int
    @Option(help: "Request queues to use, if the device has as many.")
    var queues = 1
    @Option(help: "Descriptors of a queue, a power of two from 4 to 1024.")
    var queueSize = 128
    @Option(help: "The layout of the virtqueues: split, or packed if the device can do that.")
    var ring = RingLayout.split
    @Option(help: "Threads that take requests from the kernel.")
    var threads = 3
    @Option(help: .hidden)
    var readyFd: Int32?

    func validate() throws {
        guard (1...64).contains(queues) else { throw ValidationError("--queues takes 1 to 64") }
        guard (4...1024).contains(queueSize), queueSize & (queueSize - 1) == 0 else {
            throw ValidationError("--queue-size takes a power of two from 4 to 1024")
        }
        guard (2...64).contains(threads) else { throw ValidationError("--threads takes 2 to 64") }
    }

    func run() throws {
        let mountOptions = try checkedOptions()
        let mountPoint = try MountPlace.freeMountPoint(mountpoint)
        if !foreground && readyFd == nil { return try Background.run(isQuiet: false) }
        // The one in the background still stands where the caller does, so that a relative path is the same there.
        if let readyFd { Background.begin(readyFd: readyFd) }
        LoggingSetup.start(verbosity: verbose)
        ResourceLimits.raiseOpenFiles()
        if mountOptions.needsAutoUnmount { try AutoUnmount.start(mountPoint: mountPoint) }
        let stop = try StopSignals()
        let device = try ForeignDevice(at: socketPath, options: driverOptions)
        let tag = device.driver.tag
        let mount = MountService(
            mountPoint: mountPoint, options: mountOptions.completed(tag: tag), threads: threads,
            readyFd: readyFd)
        try mount.run(ForeignPath(device), announcing: "\(tag): \(socketPath) is mounted on \(mountPoint)", stop)
    }

    private func checkedOptions() throws -> MountOptions {
        for option in options.flatMap({ MountOption.list($0) }) {
            if case .setting(let name) = option.meaning {
                throw Failure("mount option '\(name)' is of the device's making: set it where the device is")
            }
        }
        let mountOptions = try MountOptions(options)
        guard !mountOptions.isRemount else {
            throw Failure("'remount' is for 'mount -o remount' or 'virtiofs mount', which know every virtiofs mount")
        }
        return mountOptions
    }

    private var driverOptions: DriverOptions {
        var options = DriverOptions()
        options.tag = tag
        options.requestQueueCount = queues
        options.queueSize = UInt16(queueSize)
        options.usesPackedRings = ring == .packed
        return options
    }
}
