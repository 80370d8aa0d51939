import FUSEWire

/// A way for one thread to send requests that it receives from elsewhere, as whole FUSE messages.
///
/// The thread asks where the next request goes, receives it there, and sends it. What a lane does with it, and on which
/// thread the reply appears, is its own business; it never makes the thread wait for a reply.
public protocol RequestLane: AnyObject {
    /// Bytes of a request that are received into private memory: its header and fixed arguments.
    static var headSize: Int { get }

    /// Where what is behind the head of the next request has to be received.
    func prepare() -> UnsafeMutableRawBufferPointer

    /// The thread will receive nothing for a while: what it holds for the next request, others may have.
    func pause()

    /// Sends the request that was received.
    ///
    /// - Parameters:
    ///   - head: its first bytes, ``headSize`` at most.
    ///   - length: bytes of the whole request.
    ///   - lending: whether the device may use this thread to serve it.
    func send(head: UnsafeRawBufferPointer, length: Int, lending: Bool)
}

/// The lane through a virtqueue: requests are received straight into the slots of one request queue.
public final class DriverLane: RequestLane {
    public static var headSize: Int { SlotLayout.headSize }

    /// Of fewer slots than this a lane that waits holds none. Requests that block (for locks, most of all) may take all the
    /// others, and what would end their blocking be parked, while slots are held for requests that don't come.
    static let fewSlots = 16

    private let driver: VirtioFSDriver
    private let queue: RequestQueue
    /// The slot that the next request is received into, or nothing while all are taken.
    @exclusivity(unchecked) private var slot: Int?
    /// Where requests are received while no slot is free. Made when it is first needed.
    @exclusivity(unchecked) private var overflow: UnsafeMutableRawBufferPointer?

    /// - Parameter index: lanes with different numbers use different request queues, as far as there are any.
    public init(_ driver: VirtioFSDriver, index: Int) {
        self.driver = driver
        queue = driver.requestQueue(index)
    }

    deinit {
        pause()
        overflow?.deallocate()
    }

    public func pause() {
        guard let slot else { return }
        self.slot = nil
        queue.releaseSlot(slot)
    }

    public func prepare() -> UnsafeMutableRawBufferPointer {
        if slot == nil, queue.slotCount >= Self.fewSlots { slot = queue.acquireSlot(keeping: 1) }
        guard let slot else { return overflowBuffer() }
        return UnsafeMutableRawBufferPointer(
            start: queue.base(of: slot) + SlotLayout.payloadOffset, count: queue.layout.payloadSize)
    }

    private func overflowBuffer() -> UnsafeMutableRawBufferPointer {
        if let overflow { return overflow }
        let made = UnsafeMutableRawBufferPointer.allocate(byteCount: queue.layout.payloadSize, alignment: 4096)
        overflow = made
        return made
    }

    public func send(head: UnsafeRawBufferPointer, length: Int, lending: Bool) {
        guard let facts = RequestHead(head) else { return }
        if Opcode(rawValue: facts.opcode)?.isHighPriority == true {
            sendHighPriority(head, length, lending: lending)
        } else if let slot {
            self.slot = nil
            queue.submit(slot, head: head, length: length, lending: lending)
        } else {
            _ = whole(head, length).withUnsafeBytes { queue.submitOrPark($0, lending: lending) }
        }
    }

    /// A FORGET and an INTERRUPT are all head; a batch is not.
    private func sendHighPriority(_ head: UnsafeRawBufferPointer, _ length: Int, lending: Bool) {
        if length <= head.count {
            driver.sendHighPriority(UnsafeRawBufferPointer(rebasing: head[..<length]), lending: lending)
        } else {
            whole(head, length).withUnsafeBytes { driver.sendHighPriority($0, lending: lending) }
        }
    }

    /// The request in one piece, in private memory; off the hot path.
    private func whole(_ head: UnsafeRawBufferPointer, _ length: Int) -> [UInt8] {
        var bytes = Array(head.prefix(length))
        guard length > head.count else { return bytes }
        let rest = slot.map { UnsafeRawPointer(queue.base(of: $0) + SlotLayout.payloadOffset) }
        let start = rest ?? UnsafeRawPointer(overflow!.baseAddress!)
        bytes.append(contentsOf: UnsafeRawBufferPointer(start: start, count: length - head.count))
        return bytes
    }
}
