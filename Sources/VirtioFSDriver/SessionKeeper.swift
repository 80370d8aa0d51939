import Logging
import Syscalls
import SystemPackage

/// Mends a broken session on a thread of its own, because a reset waits for the device, and the threads that notice a
/// broken ring are the device's own or must never wait.
final class SessionKeeper: @unchecked Sendable {
    private static let idle: UInt32 = 0
    private static let broken: UInt32 = 1
    private static let stopped: UInt32 = 2

    private unowned let driver: VirtioFSDriver
    private let word = ParkingWord(idle)
    private let lock = Lock()
    private var storedRequest: [UInt8]?
    private var thread: OSThread?

    init(driver: VirtioFSDriver) {
        self.driver = driver
        thread = try? OSThread(name: "session") { [self] in work() }
    }

    /// The INIT that opened the session.
    var initRequest: [UInt8]? {
        get { lock.withLock { storedRequest } }
        set { lock.withLock { storedRequest = newValue } }
    }

    /// Says that the session is broken. Never waits.
    func wake() {
        if word.compareExchange(expected: Self.idle, desired: Self.broken) { word.wake() }
    }

    func stop() {
        word.store(Self.stopped)
        word.wake()
        thread?.join()
    }

    private func work() {
        while true {
            switch word.value {
            case Self.stopped: return
            case Self.broken:
                guard word.compareExchange(expected: Self.broken, desired: Self.idle) else { continue }
                guard mend() else { return }
            default: word.park(while: Self.idle)
            }
        }
    }

    /// Whether there is a session again. If not, nothing more is tried: each try could end as this one.
    private func mend() -> Bool {
        do throws(DriverError) {
            try driver.recover()
            driver.logger.notice("the device was reset; a new session is up")
            return true
        } catch {
            driver.logger.critical("the device can't be brought up again", metadata: ["error": "\(error)"])
            driver.giveUp()
            return false
        }
    }
}
