import GuestMemory
import Syscalls
public import Virtio
public import Virtqueue

/// A split virtqueue in the hands of a ``MockDriver``. There are two ways to use it, and they mix: well-formed chains
/// with ``send(_:cuts:writable:layout:lending:)``, or raw ring fields through ``ring``.
public final class MockQueue: @unchecked Sendable {
    public let number: Int
    public let configuration: QueueConfiguration
    /// The ring's fields.
    public let ring: RawSplitRing
    /// Used buffer notifications.
    public let interrupts = NotificationCounter()
    /// Where to kick; after DRIVER_OK.
    public internal(set) var doorbell: Doorbell?

    unowned let driver: MockDriver
    /// The next entry of the available ring to fill.
    public private(set) var nextAvailable: UInt16 = 0
    private var nextUsed: UInt16 = 0
    var freeDescriptors: [UInt16]
    /// Lengths of chains that have come back, by head.
    private var returned: [UInt16: UInt32] = [:]
    /// Heads of chains that the device has.
    private var exposed: Set<UInt16> = []

    init(number: Int, size: UInt16, features: RingFeatures, driver: MockDriver) {
        self.number = number
        self.driver = driver
        let memory = driver.memory
        let count = Int(size)
        // Apart from one another, so that none is reached by running off the end of another.
        let descriptors = memory.allocate(16 * count, alignment: 4096)
        let available = memory.allocate(6 + 2 * count, alignment: 4096)
        let used = memory.allocate(6 + 8 * count, alignment: 4096)
        let end = memory.allocate(0, alignment: 4096)
        memory.fill(0, at: descriptors, count: Int(end.rawValue - descriptors.rawValue))
        configuration = QueueConfiguration(
            size: size, descriptorArea: descriptors, driverArea: available, deviceArea: used, features: features)
        ring = RawSplitRing(configuration, memory: memory.map)
        freeDescriptors = (0..<size).reversed()
    }

    // MARK: available

    /// Descriptors that no chain uses.
    public var freeCount: Int { freeDescriptors.count }

    /// Writes an entry into the available ring for each head, without telling the device.
    public func stage(_ heads: [UInt16]) {
        for head in heads {
            ring.availableEntry(nextAvailable).store(head)
            nextAvailable &+= 1
            exposed.insert(head)
        }
    }

    /// Makes what was staged visible to the device.
    public func publish() {
        ring.usedEvent.store(nextUsed)
        ring.availableIndex.store(nextAvailable)
        fullFence()
    }

    /// Kicks the device, whether it wants that or not.
    public func kick(lending: Bool = true) { doorbell?.ring(lending: lending) }

    // MARK: used

    /// Chains that the device has not returned.
    public var inFlightCount: Int { exposed.count }

    /// Takes in what the device has returned so far.
    public func takeReturned() throws(MockDriverError) {
        while ring.usedIndex.load() != nextUsed {
            let entry = ring.usedEntry(nextUsed)
            let id = entry.id.load()
            nextUsed &+= 1
            guard let head = UInt16(exactly: id), exposed.remove(head) != nil else { throw .unknownUsedID(id) }
            returned[head] = entry.length.load()
        }
    }

    /// Whether the chain has been returned.
    public func hasReturned(_ head: UInt16) throws(MockDriverError) -> Bool {
        try takeReturned()
        return returned[head] != nil
    }

    /// Waits until the chain of that head is returned: its used length.
    public func waitForUsed(_ head: UInt16) throws(MockDriverError) -> UInt32 {
        var failure: MockDriverError?
        let came = interrupts.wait(seconds: driver.watchdogSeconds) {
            do throws(MockDriverError) {
                if try hasReturned(head) { return true }
                // Asks to be told of the next one, then looks again (virtio 1.4, 2.7.14).
                ring.usedEvent.store(nextUsed)
                fullFence()
                return try hasReturned(head)
            } catch {
                failure = error
                return true
            }
        }
        if let failure { throw failure }
        guard came, let length = returned.removeValue(forKey: head) else { throw .hangs(queue: number) }
        return length
    }

    /// What becomes of a chain that may be malformed.
    public enum Outcome: Equatable, Sendable {
        /// It was returned with that length.
        case returned(UInt32)
        /// The device has set DEVICE_NEEDS_RESET.
        case needsReset
    }

    /// Waits until the chain of that head is returned, or the device needs a reset.
    public func waitForOutcome(_ head: UInt16) throws(MockDriverError) -> Outcome {
        var result: Result<Outcome, MockDriverError> = .failure(.hangs(queue: number))
        _ = driver.events.wait(seconds: driver.watchdogSeconds) {
            do throws(MockDriverError) {
                let needsReset = driver.transport.status.contains(.deviceNeedsReset)
                try takeReturned()
                ring.usedEvent.store(nextUsed)
                fullFence()
                try takeReturned()
                if let length = returned.removeValue(forKey: head) {
                    result = .success(.returned(length))
                } else if needsReset {
                    result = .success(.needsReset)
                } else {
                    return false
                }
            } catch {
                result = .failure(error)
            }
            return true
        }
        return try result.get()
    }
}
