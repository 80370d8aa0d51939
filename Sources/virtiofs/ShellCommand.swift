import ArgumentParser
import GuestShell
import GuestVFS
import HostDirectory
import Logging
import Syscalls
import SystemPackage
import VhostUser
import Virtio
import VirtioFSDevice
import VirtioFSDriver

/// `virtiofs shell`: a device and a driver in this process, or a driver for somebody else's device, and no kernel mount.
struct ShellCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shell",
        abstract: "Walk a folder through a virtio-fs driver, without a mount.",
        discussion: """
            The shell lists, reads, changes and copies files of SHARE through an emulated device, or those of the device \
            that is offered at --socket-path. It needs no /dev/fuse. 'help' lists its commands; without a terminal it \
            reads them from standard input.
            """)

    @Argument(help: "The folder to share.")
    var share: String?
    @Option(help: "The socket of a vhost-user-fs device, to be used in place of a folder.")
    var socketPath: String?
    @Option(name: .customShort("c"), help: "Commands to run, with ';' between them, instead of asking for some.")
    var command: String?
    @Flag(name: .shortAndLong, help: "Log to standard error (twice: more).")
    var verbose: Int

    func validate() throws {
        guard (share == nil) != (socketPath == nil) else {
            throw ValidationError("name a folder to share, or a device with --socket-path")
        }
    }

    func run() throws {
        LoggingSetup.start(verbosity: verbose)
        ResourceLimits.raiseOpenFiles()
        let interrupts: Interrupts
        do { interrupts = try Interrupts() } catch { throw Failure("can't watch for signals: \(error)") }
        defer { interrupts.end() }
        let status: Int32
        if let share {
            status = try converse(try makeDriver(share), interrupts) { $0() }
        } else {
            let device = try ForeignDevice(at: socketPath!)
            status = try converse(device.driver, interrupts) { device.withPatience($0) }
        }
        if status != 0 { throw ExitCode(status) }
    }

    /// - Parameter bounded: runs what must not wait for the device without end.
    private func converse(
        _ driver: VirtioFSDriver, _ interrupts: Interrupts, bounded: (() -> Void) -> Void
    ) throws -> Int32 {
        var opened = Result<GuestProcess, Errno>.failure(.ioError)
        bounded {
            opened = waitForTask { () async throws(Errno) in
                try await GuestProcess(try await FUSEClient(driver: driver), as: .ofThisProcess)
            }
        }
        defer { bounded { driver.shutDown() } }
        switch opened {
        case .failure(let error): throw Failure("the device refused the session: \(error)")
        case .success(let process):
            let session = ShellSession(Shell(process), name: driver.tag, interrupts: interrupts)
            let status = command.map { session.run($0) } ?? session.run()
            bounded { _ = waitForTask { () async throws(Errno) in await process.client.close() } }
            return status
        }
    }

    private func makeDriver(_ share: String) throws -> VirtioFSDriver {
        let files: HostDirectory
        do { files = try HostDirectory(path: FilePath(share)) } catch { throw Failure("can't open \(share): \(error)") }
        let device = VirtioFSDevice(files: files, settings: DeviceSettings(tag: "share")!)
        do {
            return try VirtioFSDriver(transport: InProcessTransport(device: device))
        } catch {
            throw Failure("the driver can't bring up the device: \(error)")
        }
    }
}

/// Runs `body` as a task and waits for its end, on a thread that is not Swift's.
private func waitForTask<Value: Sendable>(
    _ body: @escaping @Sendable () async throws(Errno) -> Value
) -> Result<Value, Errno> {
    let left = Left<Value>()
    Task {
        do throws(Errno) { left.result = .success(try await body()) } catch { left.result = .failure(error) }
        left.done.signal()
    }
    left.done.wait()
    return left.result!
}

/// What a task leaves for the thread that waits for it.
private final class Left<Value: Sendable>: @unchecked Sendable {
    let done = OneTimeEvent()
    /// Written before `done`, read after it.
    var result: Result<Value, Errno>?
}
