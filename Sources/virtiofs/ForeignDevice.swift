import CKernel
import KernelMount
import Syscalls
import SystemPackage
import VhostUser
import VirtioFSDriver

/// A device of another process, which offers it on a vhost-user socket.
final class ForeignDevice: Sendable {
    let driver: VirtioFSDriver
    private let connection: Connection

    /// Connects to the device at `path` and brings it up.
    init(at path: String, options: DriverOptions = DriverOptions()) throws {
        var frontEnd = FrontEndOptions()
        frontEnd.tag = options.tag ?? frontEnd.tag
        frontEnd.requestQueueCount = UInt32(options.requestQueueCount)
        do {
            let socket = try FileDescriptor.connected(to: FilePath(path))
            let connection = try Connection(socket.descriptor)
            self.connection = connection
            let watchdog = try Watchdog(over: connection)
            defer { watchdog.end() }
            let transport = try FrontEndTransport(socket: socket, options: frontEnd)
            driver = try VirtioFSDriver(transport: transport, options: options)
        } catch DriverError.tag(let found) {
            throw Failure("the device's tag is '\(found)', not '\(options.tag ?? "")'")
        } catch let error as DriverError {
            throw Failure("the driver can't bring up the device at \(path): \(error)")
        } catch FrontEndError.disconnected {
            throw Failure("socket \(path): no answer: no vhost-user device listens there, or it serves somebody else")
        } catch {
            throw Failure("socket \(path): \(error)")
        }
    }

    /// Runs `body`, in which the device has to answer: one that is silent for some seconds is broken with.
    func withPatience<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        let watchdog = try? Watchdog(over: connection)
        defer { watchdog?.end() }
        return try body()
    }
}

/// The path through the driver of a ``ForeignDevice``: beginning and end of the session are not waited for without end.
final class ForeignPath: RequestPath {
    private let device: ForeignDevice
    private let path: DriverPath

    init(_ device: ForeignDevice) {
        self.device = device
        path = DriverPath(device.driver)
    }

    func open(_ request: [UInt8]) throws(Errno) -> [UInt8] {
        try device.withPatience { () throws(Errno) in try path.open(request) }
    }

    func opened(with request: [UInt8]) { path.opened(with: request) }
    func makeLane(_ index: Int) -> DriverLane { path.makeLane(index) }
    func onReply(_ handler: @escaping @Sendable (Reply) -> Void) { path.onReply(handler) }
    func close() { device.withPatience { path.close() } }
}

/// A copy of a connection's descriptor, for breaking the connection off.
private final class Connection: Sendable {
    private let copy: OwnedDescriptor

    init(_ socket: FileDescriptor) throws(Errno) { copy = try socket.duplicateClosingOnExec() }

    func breakOff() { shutdown(copy.rawValue, Int32(SHUT_RDWR)) }
}

/// Breaks a connection off when its user is not done in time, so that nobody waits for a silent peer for ever.
private final class Watchdog: @unchecked Sendable {
    private static let patience = 5
    private let done = OneTimeEvent()
    private var thread: OSThread?

    init(over connection: Connection) throws(Errno) {
        thread = try OSThread(name: "watchdog") { [self] in
            if !done.wait(seconds: Self.patience) { connection.breakOff() }
        }
    }

    func end() {
        done.signal()
        thread?.join()
        thread = nil
    }
}
