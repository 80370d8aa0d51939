import GuestMemory
import Syscalls
import Virtio
import Virtqueue

/// One virtqueue as the driver uses it: request slots in guest memory, what is in flight, and what waits for a slot.
final class RequestQueue: @unchecked Sendable {
    enum Phase {
        /// Requests go out.
        case running
        /// Only the driver's own go out: the session is being set up. Others park.
        case settingUp
        /// Nothing goes out, and nothing that comes back is believed.
        case broken
        /// The device can't be brought up again: everything is answered with EIO.
        case dead
    }

    /// All that changes, behind one pointer and one lock, which is never held across a system call.
    struct State: ~Copyable {
        var ring: DriverQueue
        var phase = Phase.settingUp
        /// Whether the device is asked for interrupts, and not somebody looks for what it returns.
        var wantsInterrupts = true
        /// Whether it is asked for them only when half of what is under way is back.
        var collects = false
        var freeSlots: [UInt16]
        var parked = ParkedRequests()
    }

    let number: Int
    /// Whether nothing that is sent here is answered, as on the hiprio queue; see ``post(_:lending:)``.
    let isUnanswered: Bool
    let layout: SlotLayout
    private let region: GuestRegion
    private let firstSlot: GuestAddress
    let slots: UnsafeMutableBufferPointer<RequestSlot>
    var slotCount: Int { slots.count }
    let lock = Lock()
    let state: UnsafeMutablePointer<State>
    let replies: ReplySink
    weak let driver: VirtioFSDriver?
    /// The device's, of this session; guarded by `lock`, because a thread may kick while the session is mended.
    @exclusivity(unchecked) private(set) var doorbell: Doorbell?

    init(
        number: Int, ring: consuming DriverQueue, slotCount: Int, layout: SlotLayout, region: GuestRegion,
        firstSlot: GuestAddress, replies: ReplySink, driver: VirtioFSDriver
    ) {
        self.number = number
        isUnanswered = number == 0
        self.layout = layout
        self.region = region
        self.firstSlot = firstSlot
        self.replies = replies
        self.driver = driver
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: RequestSlot())
        state = .allocateOnOwnCacheLines()
        state.initialize(to: State(ring: ring, freeSlots: (0..<UInt16(slotCount)).reversed()))
        state.pointee.wantsInterrupts = !isUnanswered
        askForInterrupts()
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
        slots.deallocate()
    }

    /// Sets where to kick.
    func setDoorbell(_ doorbell: Doorbell) { lock.withLock { self.doorbell = doorbell } }

    /// What to ring once the lock is given back.
    func doorbell(if wanted: Bool) -> Doorbell? { wanted ? doorbell : nil }

    func address(of slot: Int) -> GuestAddress { firstSlot + UInt64(slot * layout.stride) }

    /// Where a slot is in this process.
    func base(of slot: Int) -> UnsafeMutableRawPointer { region.pointer(at: address(of: slot)) }
}
