import CKernel
import Syscalls
import SystemPackage
import VhostUser
import VirtioFSDriver

/// A device of another process, which offers it on a vhost-user socket.
enum ForeignDevice {
    /// Seconds in which a device has to answer until it is up. One that serves another front end is silent.
    private static let patience = 5

    /// The driver of the device at `path`, brought up.
    static func driver(at path: String, options: DriverOptions = DriverOptions()) throws -> VirtioFSDriver {
        var frontEnd = FrontEndOptions()
        frontEnd.tag = options.tag ?? frontEnd.tag
        frontEnd.requestQueueCount = UInt32(options.requestQueueCount)
        let transport: FrontEndTransport
        let watchdog: SocketWatchdog
        do {
            let socket = try FileDescriptor.connected(to: FilePath(path))
            watchdog = try SocketWatchdog(socket.descriptor, seconds: patience)
            transport = try FrontEndTransport(socket: socket, options: frontEnd)
        } catch {
            throw Failure("socket \(path): \(text(error))")
        }
        defer { watchdog.end() }
        do throws(DriverError) {
            return try VirtioFSDriver(transport: transport, options: options)
        } catch .tag(let found) {
            throw Failure("the device's tag is '\(found)', not '\(options.tag ?? "")'")
        } catch {
            throw Failure("the driver can't bring up the device at \(path): \(error)")
        }
    }

    private static func text(_ error: any Error) -> String {
        guard case FrontEndError.disconnected? = error as? FrontEndError else { return "\(error)" }
        return "no answer: what listens there is no vhost-user device, or serves somebody else"
    }
}

/// Breaks a connection off when its user is not done in time, so that nobody waits for a silent peer for ever.
private final class SocketWatchdog: @unchecked Sendable {
    private let done = OneTimeEvent()
    private var thread: OSThread?

    init(_ socket: FileDescriptor, seconds: Int) throws(Errno) {
        let copy = try socket.duplicateClosingOnExec().release()
        thread = try OSThread(name: "watchdog") { [self] in
            if !done.wait(seconds: seconds) { shutdown(copy.rawValue, Int32(SHUT_RDWR)) }
            copy.closeOwned()
        }
    }

    func end() {
        done.signal()
        thread?.join()
        thread = nil
    }
}
