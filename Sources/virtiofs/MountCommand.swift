public import ArgumentParser
public import HostDirectory
import KernelMount
import Logging
import Syscalls
import SystemPackage
import Tracing
import Virtio
public import VirtioFSDevice
import VirtioFSDriver

/// `virtiofs mount`: a device, a driver and a kernel mount in this process.
struct MountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount",
        abstract: "Mount a folder through an emulated virtio-fs device.",
        discussion: """
            Every request of this machine's kernel goes through a virtqueue to a device, which serves it from SHARE. The \
            command returns when the mount is up and goes on in the background; 'fusermount3 -u MOUNTPOINT' \
            ends it.

            Each option of this command can stand behind -o, too ('-o cache=never,queues=2'), and so in /etc/fstab. With \
            a link to this command in /usr/local/bin, 'mount -t fuse.virtiofs -o share=SHARE TAG MOUNTPOINT' does the \
            same.
            """)

    @Argument(help: "The folder to share.")
    var share: String
    @Argument(help: "An existing folder outside the share.")
    var mountpoint: String

    @Option(help: "The name of the file system, 1 to 36 bytes.")
    var tag = "myfs"
    @Option(name: .customShort("o"), help: "Mount options, as FUSE knows them, with commas between them.")
    var options: [String] = []
    @Flag(name: [.customShort("f"), .long], help: "Stay in the foreground.")
    var foreground = false
    @Flag(name: .shortAndLong, help: "Log to standard error (twice: more).")
    var verbose: Int
    @Option(help: "What the kernel may keep: never, metadata, auto (for a second) or always.")
    var cache = CacheMode.auto
    @Flag(help: "Let the kernel collect writes.")
    var writeback = false
    @Flag(help: "Refuse every change in the device.")
    var readonly = false
    @Option(help: "Seconds for which the kernel may keep attributes, in place of the cache mode's.")
    var attrTimeout: Seconds?
    @Option(help: "Seconds for which a name means the same file, in place of the cache mode's.")
    var entryTimeout: Seconds?
    @Option(help: "Seconds for which a name that was not found is taken not to exist.")
    var negativeTimeout = Seconds(.zero)
    @Option(help: "Request queues; one for each thread if not given.")
    var queues: Int?
    @Option(help: "Descriptors of a queue, a power of two from 4 to 1024.")
    var queueSize = 128
    @Option(help: "The layout of the virtqueues: split or packed.")
    var ring = RingLayout.split
    @Option(help: "Threads that take requests from the kernel; one more than processors, 3 to 9, if not given.")
    var threads: Int?
    @Option(help: "Microseconds that an idle device thread looks for work, at most, before it sleeps.")
    var pollUs = 50
    @Option(help: "Who serves a queue whose device thread sleeps: adaptive (the thread that kicks) or worker.")
    var kick = ServiceOptions.KickPolicy.adaptive
    @OptionGroup(visibility: .hidden)
    var limits: LimitOptions
    @Option(help: "A file to be made, in which every request and its answer are kept for 'virtiofs replay'.")
    var record: String?
    @Flag(help: .hidden)
    var withoutRings = false
    /// The tag that the driver is to find, if not the one that this command gives its device.
    @Option(help: .hidden)
    var source: String?
    /// To go no further than mount(8)'s `--fake`.
    @Flag(help: .hidden)
    var fake = false
    @Flag(help: .hidden)
    var quiet = false
    @Option(help: .hidden)
    var readyFd: Int32?

    func validate() throws {
        for tag in [tag, source ?? tag] where !DeviceSettings.isValid(tag: tag) {
            throw ValidationError("the tag '\(tag)' is not 1 to 36 bytes long")
        }
        guard (1...64).contains(queues ?? 1) else { throw ValidationError("--queues takes 1 to 64") }
        guard (4...1024).contains(queueSize), queueSize & (queueSize - 1) == 0 else {
            throw ValidationError("--queue-size takes a power of two from 4 to 1024")
        }
        guard (2...64).contains(threads ?? 2) else { throw ValidationError("--threads takes 2 to 64") }
        guard (0...1_000_000).contains(pollUs) else { throw ValidationError("--poll-us takes 0 to 1000000") }
    }

    func run() throws {
        let mountOptions = try MountOptions(options)
        guard !mountOptions.isRemount else {
            return try Remount(mountPoint: mountpoint, source: nil, options: mountOptions).run()
        }
        let place = try MountPlace(share: share, mountPoint: mountpoint)
        guard !fake else { return }
        if !foreground && readyFd == nil { return try Background.run(isQuiet: quiet) }
        if let readyFd { Background.begin(readyFd: readyFd) }
        LoggingSetup.start(verbosity: verbose)
        ResourceLimits.raiseOpenFiles()
        if mountOptions.needsAutoUnmount { try AutoUnmount.start(mountPoint: place.mountPoint) }
        let stop = try StopSignals()
        let files = try makeFiles(place)
        if withoutRings {
            let path = DirectPath(session: FUSESession(files: files, limits: limits.limits))
            try serve(path, place, mountOptions.completed(tag: tag), stop)
        } else {
            let driver = try makeDriver(try makeDevice(files))
            try serve(DriverPath(driver), place, mountOptions.completed(tag: driver.tag), stop)
        }
    }

    private var directoryOptions: HostDirectoryOptions {
        var options = HostDirectoryOptions()
        options.cache = cache
        options.writeback = writeback
        options.readOnly = readonly
        options.attributeTimeout = attrTimeout?.duration
        options.entryTimeout = entryTimeout?.duration
        options.negativeTimeout = negativeTimeout.duration
        options.locks = !limits.noRemoteLock
        return options
    }

    private func makeFiles(_ place: MountPlace) throws -> HostDirectory {
        do {
            return try HostDirectory(path: FilePath(place.share), options: directoryOptions)
        } catch {
            throw Failure("can't open \(place.share): \(error)")
        }
    }

    /// The most that can be busy at once, and one that stands back; see ``KernelMount``.
    private var readerCount: Int { threads ?? 1 + min(max(Affinity.count, 2), 8) }
    private var requestQueueCount: Int { queues ?? readerCount }

    private func makeDevice(_ files: HostDirectory) throws -> VirtioFSDevice<HostDirectory> {
        var settings = DeviceSettings(tag: tag, requestQueueCount: UInt32(requestQueueCount))!
        settings.limits = limits.limits
        settings.service.kick = kick
        settings.service.tap = try record.map {
            try Recorder(at: $0, RecordedSettings(directoryOptions, limits.limits)).tap
        }
        settings.service.pollNanoseconds = UInt64(pollUs) * 1000
        return VirtioFSDevice(files: files, settings: settings)
    }

    private func makeDriver(_ device: VirtioFSDevice<HostDirectory>) throws -> VirtioFSDriver {
        var options = DriverOptions()
        options.tag = source ?? tag
        options.requestQueueCount = requestQueueCount
        options.queueSize = UInt16(queueSize)
        options.usesPackedRings = ring == .packed
        do throws(DriverError) {
            return try VirtioFSDriver(transport: InProcessTransport(device: device), options: options)
        } catch {
            if case .tag(let found) = error {
                throw Failure("the device's tag is '\(found)', not '\(source ?? tag)': mount it by its own")
            }
            throw Failure("the driver can't bring up the device: \(error)")
        }
    }

    private func serve<Path: RequestPath>(
        _ path: Path, _ place: MountPlace, _ words: [String], _ stop: consuming StopSignals
    ) throws {
        let mount = MountService(mountPoint: place.mountPoint, options: words, threads: readerCount, readyFd: readyFd)
        try mount.run(path, announcing: "\(tag): \(place.share) is mounted on \(place.mountPoint)", stop)
    }
}

/// How the virtqueues lie in memory (virtio 1.4, 2.7 and 2.8).
enum RingLayout: String, CaseIterable, ExpressibleByArgument { case split, packed }

extension CacheMode: ExpressibleByArgument {}
extension ServiceOptions.KickPolicy: ExpressibleByArgument {}
