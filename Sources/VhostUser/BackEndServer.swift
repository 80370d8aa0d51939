public import Logging
public import Syscalls
public import SystemPackage
public import Virtio

/// Offers a device to one front end after the other.
public struct BackEndServer {
    private let device: any VirtioDevice
    private let logger: Logger

    public init(device: any VirtioDevice, logger: Logger = Logger(label: "virtiofs.vhost-user")) {
        self.device = device
        self.logger = logger
    }

    /// Serves who connects to `listener`, one after the other, until `stop` is readable. A front end that comes while
    /// another is served waits for its turn.
    ///
    /// - Throws: what accept(2) does.
    public func serve(listener: FileDescriptor, stop: FileDescriptor) throws(Errno) {
        while !Readiness.wait(readable: [stop, listener])[0] {
            do throws(Errno) {
                serve(connection: try listener.acceptConnection(), stop: stop)
            } catch {
                guard error == .connectionAbort else { throw error }
            }
        }
    }

    /// Serves one front end until it or `stop` ends the connection.
    public func serve(connection: consuming OwnedDescriptor, stop: FileDescriptor) {
        logger.info("a front end has connected")
        do throws(ProtocolError) {
            try makeConnection(connection).serve(stop: stop)
            logger.info("the front end has left")
        } catch {
            logger.error("closed the connection", metadata: ["error": "\(error)"])
        }
    }

    private func makeConnection(_ socket: consuming OwnedDescriptor) throws(ProtocolError) -> BackEndConnection {
        do throws(Errno) {
            return try BackEndConnection(device: device, socket: socket, logger: logger)
        } catch {
            throw .descriptor(error)
        }
    }
}
