import CKernel
import FUSEWire
import Logging
import Syscalls
public import SystemPackage
public import VirtioFSDriver

/// The path through a virtio-fs driver, and so through virtqueues.
public final class DriverPath: RequestPath {
    private let driver: VirtioFSDriver

    public init(_ driver: VirtioFSDriver) {
        self.driver = driver
        driver.onInterruptOfParked(Self.endsByInterrupt)
    }

    /// A signal that ends a program ends what it waits for. Any other ends waits for locks only, as on a local file system.
    ///
    /// But no signal ends a FLUSH: it gives up the caller's locks, and the kernel sends no second one for that descriptor.
    private static func endsByInterrupt(_ parked: RequestHead) -> Bool {
        switch Opcode(rawValue: parked.opcode) {
        case .setlkw: true
        case .flush: false
        default: ThreadStatus.isBeingKilled(parked.pid)
        }
    }

    public func open(_ request: [UInt8]) throws(Errno) -> [UInt8] { try driver.call(request, internally: true) }

    public func opened(with request: [UInt8]) { driver.sessionOpened(with: request) }

    public func makeLane(_ index: Int) -> DriverLane { DriverLane(driver, index: index) }

    public func onReply(_ handler: @escaping @Sendable (Reply) -> Void) { driver.onReply(handler) }

    /// The kernel sends no DESTROY for such a mount, and forgets no node: the driver says it for it.
    public func close() {
        driver.closeSession()
        driver.shutDown()
    }
}
