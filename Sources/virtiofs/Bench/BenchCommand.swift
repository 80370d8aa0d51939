import ArgumentParser
import Glibc
import HostDirectory
import Syscalls
import SystemPackage
import Virtio
import VirtioFSDevice
import VirtioFSDriver

/// `virtiofs bench`: measures a device without a kernel mount before it.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure a virtio-fs device.",
        discussion: """
            Sends requests from one thread, so many at once, and looks for the replies: to the device of this process \
            that serves SHARE, or with --socket-path to any vhost-user-fs device. With several at once it sleeps there \
            until half of them are answered, as a guest does, and leaves the processor to the device. It makes a folder \
            of its own in the file system's root and removes it in the end.
            """)

    @Argument(help: "The folder to serve, and to measure in.")
    var share: String?
    @Option(help: "The socket of a vhost-user-fs device.")
    var socketPath: String?
    @Option(help: "Rows to measure, with commas: those whose names begin so.")
    var rows: String?
    @Option(help: "Requests under way at once, with commas.")
    var depths: String?
    @Option(help: "Seconds for each row and depth.")
    var seconds = 1.0
    @Option(help: "Files in the folder that is listed.")
    var entries = 10_000
    @Option(help: "Whether requests under way at once go to one file, or each to one of its own.")
    var files = BenchFiles.one
    @Option(help: "A file for the figures, as JSON.")
    var json: String?
    @Option(help: "The layout of the virtqueues: split or packed.")
    var ring = RingLayout.split
    @Option(help: "With SHARE: who serves a queue whose device thread sleeps, as with mount.")
    var kick = ServiceOptions.KickPolicy.adaptive

    func validate() throws {
        guard (share == nil) != (socketPath == nil) else { throw ValidationError("name SHARE or --socket-path") }
        guard (1...1_000_000).contains(entries) else { throw ValidationError("--entries takes 1 to 1000000") }
        guard seconds > 0, seconds <= 3600 else { throw ValidationError("--seconds takes up to 3600") }
        guard wantedDepths.allSatisfy({ (1...Self.largestDepth).contains($0) }) else {
            throw ValidationError("--depths takes 1 to \(Self.largestDepth)")
        }
    }

    private static let largestDepth = 256
    /// Descriptors of a queue. Without indirect descriptors a request takes three.
    private static let queueSize: UInt16 = 1024

    private var wantedDepths: [Int] { depths?.split(separator: ",").map { Int($0) ?? 0 } ?? [] }

    func run() throws {
        // What goes wrong is the command's to say.
        LoggingSetup.start(level: nil)
        ResourceLimits.raiseOpenFiles()
        let stop = try StopSignals()
        if let socketPath {
            let device = try ForeignDevice(at: socketPath, options: driverOptions)
            try run(on: device.driver, stop) { try device.withPatience($0) }
        } else {
            try run(on: try makeDriver(), stop) { try $0() }
        }
    }

    /// - Parameter bounded: runs what must not wait for the device without end.
    private func run(
        on driver: VirtioFSDriver, _ stop: borrowing StopSignals, bounded: (() throws -> Void) throws -> Void
    ) throws {
        var isSilent = false
        defer {
            // A device that answers nothing would not answer this.
            if !isSilent {
                try? bounded {
                    driver.closeSession()
                    driver.shutDown()
                }
            }
        }
        do {
            var session: BenchSession!
            try bounded { session = try BenchSession(driver, sleeps: socketPath != nil, stop: stop.descriptor) }
            try write(measure(on: session))
        } catch let silence as SilentDevice {
            isSilent = true
            throw Failure("\(silence)")
        } catch let error as Errno {
            throw Failure("the session can't be opened: \(error)")
        }
    }

    /// Measures in a folder of its own, and removes it.
    private func measure(on session: BenchSession) throws -> [BenchFigure] {
        let share = try BenchShare(session, entryCount: entries, files: files)
        let figures = Result { try measure(share) }
        do {
            try share.remove()
        } catch {
            // Where the device has gone away, what failed first says more.
            if !(error is SilentDevice) { _ = try figures.get() }
            throw error
        }
        return try figures.get()
    }

    private func measure(_ share: BenchShare) throws -> [BenchFigure] {
        var figures: [BenchFigure] = []
        print(BenchFigure.header)
        for operation in try selected(of: BenchOperation.all(on: share)) {
            for depth in depths == nil || operation.depths == [1] ? operation.depths : wantedDepths {
                let run = BenchRun(share.session, operation, depth: depth, files: try share.files(for: depth))
                defer { run.forget(in: share) }
                let figure = try run.measure(seconds: seconds)
                print(figure.line)
                fflush(nil)
                figures.append(figure)
            }
        }
        return figures
    }

    private func selected(of operations: [BenchOperation]) throws -> [BenchOperation] {
        guard let names = rows?.lowercased().split(separator: ",") else { return operations }
        let chosen = operations.filter { row in names.contains { row.name.lowercased().hasPrefix($0) } }
        guard !chosen.isEmpty else { throw Failure("no row begins with '\(rows!)'") }
        return chosen
    }

    private func write(_ figures: [BenchFigure]) throws {
        guard let json else { return }
        let text = "[\n" + figures.map { "  " + $0.json }.joined(separator: ",\n") + "\n]\n"
        do {
            let mode = FilePermissions(rawValue: 0o644)
            let file = try FileDescriptor.open(
                FilePath(json), .writeOnly, options: [.create, .truncate], permissions: mode)
            try file.closeAfter { _ = try file.writeAll(text.utf8) }
        } catch {
            throw Failure("can't write \(json): \(error)")
        }
    }

    // MARK: the device

    private var driverOptions: DriverOptions {
        var options = DriverOptions()
        options.queueSize = Self.queueSize
        options.usesPackedRings = ring == .packed
        return options
    }

    private func makeDriver() throws -> VirtioFSDriver {
        do {
            return try VirtioFSDriver(
                transport: InProcessTransport(device: try makeDevice()), options: driverOptions)
        } catch let error as DriverError {
            throw Failure("the driver can't bring up the device: \(error)")
        }
    }

    private func makeDevice() throws -> VirtioFSDevice<HostDirectory> {
        var settings = DeviceSettings(tag: "bench")!
        settings.service.kick = kick
        do {
            return VirtioFSDevice(files: try HostDirectory(path: FilePath(share!)), settings: settings)
        } catch {
            throw Failure("can't open \(share!): \(error)")
        }
    }
}
