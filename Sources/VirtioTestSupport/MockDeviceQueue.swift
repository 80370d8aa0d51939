import GuestMemory
import Synchronization
import Syscalls
import Virtio
import Virtqueue

/// A queue of a ``MockDevice``.
public final class MockDeviceQueue: @unchecked Sendable {
    public let number: Int
    /// The ring's fields, to be scribbled on.
    public let ring: RawSplitRing

    /// How often the driver was interrupted.
    public let interrupts = NotificationCounter()

    let memory: GuestMemoryMap
    private let heedsEvents: Bool
    let doorbell: Doorbell
    private let script: @Sendable (MockChain) -> Void
    private let interruptDriver: @Sendable () -> Void
    private let reportBroken: @Sendable (RingError) -> Void
    private var nextAvailable: UInt16
    /// Guards the used ring.
    private let usedLock = Lock()
    private var nextUsed: UInt16 = 0
    private let stopping = Atomic<Bool>(false)
    private var thread: OSThread?

    init(
        number: Int, activation: consuming QueueActivation, heedsEvents: Bool,
        script: @escaping @Sendable (MockChain) -> Void
    ) {
        self.number = number
        self.heedsEvents = heedsEvents
        self.script = script
        memory = activation.memory
        ring = RawSplitRing(activation.configuration, memory: activation.memory)
        interruptDriver = activation.interrupt
        reportBroken = activation.broken
        nextAvailable = activation.start ?? 0
        doorbell = Doorbell(event: activation.takeKick())
        thread = try? OSThread(name: "mock-\(number)") { [unowned self] in work() }
    }

    private func work() {
        while !stopping.load(ordering: .acquiring) {
            while ring.availableIndex.load() != nextAvailable && !stopping.load(ordering: .acquiring) {
                let head = ring.availableEntry(nextAvailable).load()
                nextAvailable &+= 1
                script(MockChain(head: head, queue: self))
            }
            // Asks for a kick for the next chain, then looks again (virtio 1.4, 2.7.10).
            ring.availableEvent.store(nextAvailable)
            fullFence()
            if ring.availableIndex.load() == nextAvailable { doorbell.wait() }
        }
    }

    func stop() -> UInt16 {
        stopping.store(true, ordering: .releasing)
        doorbell.wake()
        thread?.join()
        thread = nil
        return nextAvailable
    }

    // MARK: for scripts

    /// Returns any id with any length, and interrupts. Nothing is returned once the driver has reset the device.
    public func returnChain(id: UInt32, length: UInt32) {
        let isWanted = usedLock.withLock { () -> Bool in
            guard !stopping.load(ordering: .acquiring) else { return true }
            let entry = ring.usedEntry(nextUsed)
            entry.id.store(id)
            entry.length.store(length)
            nextUsed &+= 1
            ring.usedIndex.store(nextUsed)
            // The index must be visible before the driver's wish is read (virtio 1.4, 2.7.7).
            fullFence()
            return ring.usedEvent.load() == nextUsed &- 1
        }
        if isWanted || !heedsEvents { interrupt() }
    }

    /// Moves the used index by any number of entries, and interrupts.
    public func jump(by count: UInt16) {
        usedLock.withLock {
            nextUsed &+= count
            ring.usedIndex.store(nextUsed)
        }
        interrupt()
    }

    /// Interrupts the driver, whether it wants that or not.
    public func interrupt() {
        interrupts.add()
        interruptDriver()
    }

    /// Says that the driver broke the ring: the transport sets DEVICE_NEEDS_RESET.
    public func breakDown() { reportBroken(.chainTooLong) }
}
