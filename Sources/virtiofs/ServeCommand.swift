import ArgumentParser
import CKernel
import Glibc
import HostDirectory
import Logging
import Sandbox
import Syscalls
import SystemPackage
import Tracing
import VhostUser
import VirtioFSDevice

/// `virtiofs serve`: a device in this process, for the driver in a virtual machine (vhost-user, "Backend program
/// conventions"). Options that virtiofsd has too are named as there.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Offer a folder to a virtual machine, as a vhost-user device.",
        discussion: """
            The virtual machine's monitor connects to the socket, QEMU for example with '-chardev \
            socket,id=fs,path=PATH -device vhost-user-fs-pci,chardev=fs,tag=myfs' and memory that is shared \
            (memory-backend-memfd,share=on). The guest then mounts the tag. When one virtual machine has gone, the next \
            can connect. SIGTERM ends the command.
            """)

    @Argument(help: "The folder to share.")
    var share: String?
    @Option(help: "The same, as virtiofsd calls it.")
    var sharedDir: String?
    @Option(help: "Where the socket is to be; its file goes when the command ends.")
    var socketPath: String?
    @Option(help: "A group whose members may connect, too.")
    var socketGroup: String?
    @Option(help: "The number of a socket that the caller has opened, in place of --socket-path.")
    var fd: Int32?
    @Option(help: "The name of the file system, 1 to 36 bytes, for a monitor that asks the device for it.")
    var tag = "myfs"
    @Option(help: "What the guest may keep: never, metadata, auto (for a second) or always.")
    var cache = CacheMode.auto
    @Flag(help: "Let the guest collect writes.")
    var writeback = false
    @Flag(help: "Refuse every change.")
    var readonly = false
    @Flag(help: "Pass direct I/O of the guest's programs on to the host.")
    var allowDirectIo = false
    @Option(help: "Request queues that the monitor can use at most.")
    var queues = 8
    @Option(help: "Microseconds that an idle device thread looks for work before it sleeps.")
    var pollUs = 50
    @Option(help: "What to log: off, error, warn, info, debug or trace.")
    var logLevel = LogLevel.warn
    @Option(help: "Open files that the command may have; 0 leaves the limit as it is.")
    var rlimitNofile: Int?
    @Option(help: "A file to be made, in which every request and its answer are kept for 'virtiofs replay'.")
    var record: String?
    @OptionGroup(title: "Device")
    var device: DeviceOptions
    @OptionGroup(title: "Confinement")
    var confinement: ConfinementOptions
    @OptionGroup(title: "Translation")
    var translation: TranslationOptions
    @Flag(help: "Print what the device can do, as JSON, and end.")
    var printCapabilities = false

    func validate() throws {
        guard !printCapabilities else { return }
        guard (share == nil) != (sharedDir == nil) else {
            throw ValidationError("name the folder to share once, as SHARE or with --shared-dir")
        }
        guard (socketPath == nil) != (fd == nil) else { throw ValidationError("use --socket-path or --fd") }
        guard socketGroup == nil || fd == nil else { throw ValidationError("--socket-group goes with --socket-path") }
        guard DeviceSettings.isValid(tag: tag) else {
            throw ValidationError("the tag '\(tag)' is not 1 to 36 bytes long")
        }
        guard (1...64).contains(queues) else { throw ValidationError("--queues takes 1 to 64") }
        guard (0...1_000_000).contains(pollUs) else { throw ValidationError("--poll-us takes 0 to 1000000") }
        guard (rlimitNofile ?? 0) >= 0 else { throw ValidationError("--rlimit-nofile takes a number") }
    }

    func run() throws {
        guard !printCapabilities else { return print(#"{"type": "fs"}"#) }
        LoggingSetup.start(level: logLevel.level, syslog: device.syslog)
        try limitOpenFiles()
        let stop = try StopSignals()
        let share = try openShare()
        if let socketPath {
            try serve(at: socketPath, share, stop.descriptor)
        } else {
            try serve(on: FileDescriptor(rawValue: fd!), share, stop.descriptor)
        }
    }

    private func limitOpenFiles() throws {
        guard let rlimitNofile else {
            ResourceLimits.raiseOpenFiles()
            return
        }
        guard rlimitNofile == 0 || ResourceLimits.setOpenFiles(rlimitNofile) else {
            throw Failure(
                "can't set the limit of open files to \(rlimitNofile): it is \(ResourceLimits.openFiles), and only root may "
                    + "raise it, up to /proc/sys/fs/nr_open")
        }
    }

    private var folder: String { share ?? sharedDir! }

    private func openShare() throws -> FileDescriptor {
        do {
            return try FileDescriptor.folder(at: FilePath(folder)).release()
        } catch {
            throw Failure("can't open \(folder): \(error)")
        }
    }

    /// The server, in the process that is confined.
    private func makeServer(
        _ share: FileDescriptor, keeping kept: [FileDescriptor], atEnd: () -> Void
    ) throws -> BackEndServer {
        // The process that is confined finds no files but the share's.
        let options = try directoryOptions()
        let recorder = try record.map { try Recorder(at: $0, RecordedSettings(options, FUSELimits(), translation)) }
        let files = device.logSockets + [recorder?.descriptor].compactMap { $0 }
        let confined = try confinement.enter(share: share, readOnly: readonly, keeping: kept + files, atEnd: atEnd)
        return BackEndServer(device: try makeDevice(confined, options, recorder))
    }

    private func directoryOptions() throws -> HostDirectoryOptions {
        var options = HostDirectoryOptions(
            cache: cache, writeback: writeback, readOnly: readonly, allowDirectIO: allowDirectIo,
            fileHandles: confinement.inodeFileHandles != .never)
        device.apply(to: &options)
        try translation.apply(to: &options)
        return options
    }

    private func makeDevice(
        _ share: ConfinedShare, _ options: HostDirectoryOptions, _ recorder: Recorder?
    ) throws -> VirtioFSDevice<HostDirectory> {
        let files: HostDirectory
        do {
            files = try HostDirectory(share, options: options)
        } catch {
            throw Failure("can't serve \(folder): \(error)")
        }
        guard confinement.inodeFileHandles != .mandatory || files.usesFileHandles else {
            throw Failure("\(folder) can't be served by file handles, as --inode-file-handles mandatory wants")
        }
        var settings = DeviceSettings(tag: tag, requestQueueCount: UInt32(queues))!
        // The thread that kicks is another machine's processor, and can't serve here.
        settings.service.kick = .worker
        device.apply(to: &settings.service)
        settings.service.tap = recorder?.tap
        settings.service.pollNanoseconds = UInt64(pollUs) * 1000
        return VirtioFSDevice(files: files, settings: settings)
    }

    private func serve(at path: String, _ share: FileDescriptor, _ stop: FileDescriptor) throws {
        let group = try socketGroup.map(Self.groupID)
        var file: SocketFile
        do { file = try SocketFile(path: FilePath(path), group: group) } catch {
            throw Failure("socket \(path): \(error)")
        }
        let server = try makeServer(share, keeping: [file.descriptor, stop]) { file.remove() }
        if confinement.hasKeeper { file.leaveFile() }
        print("\(tag): \(folder) is offered at \(path)")
        fflush(nil)
        do { try server.serve(listener: file.descriptor, stop: stop) } catch {
            throw Failure("socket \(path): \(error)")
        }
    }

    /// A socket that listens is served as one of ours is; one that is connected has one front end.
    private func serve(on socket: FileDescriptor, _ share: FileDescriptor, _ stop: FileDescriptor) throws {
        guard let isListening = socket.isListening else { throw Failure("descriptor \(fd!) is not a socket") }
        let server = try makeServer(share, keeping: [socket, stop]) {}
        if isListening {
            do { try server.serve(listener: socket, stop: stop) } catch { throw Failure("descriptor \(fd!): \(error)") }
        } else {
            server.serve(connection: OwnedDescriptor(owning: socket), stop: stop)
        }
    }

    private static func groupID(_ name: String) throws -> UInt32 {
        if let number = UInt32(name) { return number }
        guard let entry = getgrnam(name) else { throw Failure("there is no group '\(name)'") }
        return entry.pointee.gr_gid
    }
}

/// The levels of `--log-level`, as virtiofsd names them.
enum LogLevel: String, CaseIterable, ExpressibleByArgument {
    case off, error, warn, info, debug, trace

    /// Nothing means that nothing at all is logged.
    var level: Logger.Level? {
        switch self {
        case .off: nil
        case .error: .error
        case .warn: .warning
        case .info: .info
        case .debug: .debug
        case .trace: .trace
        }
    }
}
