import ArgumentParser
import HostDirectory
import Syscalls
import SystemPackage
import Tracing
import VhostUser
import Virtio
import VirtioFSDevice

/// `virtiofs replay`: what was recorded, asked again.
struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Run a recording against a device and show the first difference.",
        discussion: """
            FILE is what 'virtiofs serve --record' or 'virtiofs mount --record' has written. Its requests are sent to an \
            emulated device over SHARE, or to the one that is offered at --socket-path, one after the other, and the \
            answers compared; ids, processes and times are not, nor what the host's file system has its own of. SHARE has \
            to be as it was when the recording began, and is changed. The emulated device has the cache mode and the other \
            settings of the recorded one.
            """)

    @Argument(help: "The recording.")
    var file: String
    @Argument(help: "A folder to share.")
    var share: String?
    @Option(help: "The socket of a vhost-user-fs device, to be used in place of a folder.")
    var socketPath: String?

    func validate() throws {
        guard (share == nil) != (socketPath == nil) else {
            throw ValidationError("name a folder to share, or a device with --socket-path")
        }
    }

    func run() throws {
        var reader: RecordingReader
        do { reader = try RecordingReader(path: FilePath(file)) } catch {
            throw Failure("\(file): \(Self.text(error))")
        }
        let device: ReplayDevice
        do { device = try ReplayDevice(makeTransport(reader.settings)) } catch let error as ReplayError {
            throw Failure("\(error)")
        }
        var replay = Replay(device)
        while let exchange = reader.next() {
            do {
                if let difference = try replay.run(exchange) { throw Failure("\(difference)") }
            } catch let error as ReplayError {
                throw Failure("exchange \(replay.count): \(error)")
            }
        }
        if let error = reader.error { throw Failure("\(file): \(Self.text(error))") }
        print("\(replay.count) exchanges, no difference")
    }

    private static func text(_ error: RecordingError) -> String {
        switch error {
        case .system(let error): "\(error)"
        case .notARecording: "not a recording"
        case .version(let version): "a recording of version \(version), which is not known"
        case .entry(let number): "entry \(number) is broken"
        }
    }

    private func makeTransport(_ recorded: String) throws -> any DriverTransport {
        if let socketPath {
            do { return try FrontEndTransport(path: FilePath(socketPath)) } catch {
                throw Failure("socket \(socketPath): \(error)")
            }
        }
        let recorded = try RecordedSettings(text: recorded)
        let files: HostDirectory
        do { files = try HostDirectory(path: FilePath(share!), options: recorded.files) } catch {
            throw Failure("can't open \(share!): \(error)")
        }
        var settings = DeviceSettings(tag: "replay")!
        settings.limits = recorded.limits
        return InProcessTransport(device: VirtioFSDevice(files: files, settings: settings))
    }
}

extension Recorder {
    /// Makes a recording at `path`.
    convenience init(at path: String, _ settings: RecordedSettings) throws {
        do { try self.init(path: FilePath(path), settings: settings.text) } catch {
            throw Failure("can't make \(path): \(error)")
        }
    }
}
