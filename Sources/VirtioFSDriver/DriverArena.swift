import GuestMemory
import Syscalls
import SystemPackage
import Virtio
import Virtqueue

/// The driver's guest memory: the rings, then the request slots of each queue, in one region.
///
/// The slots' pages exist only once they were used: a queue of 128 slots of 1 MiB costs nothing until 128 such
/// requests are in flight.
struct DriverArena {
    struct Queue {
        var size: UInt16
        var ring: GuestAddress
        var firstSlot: GuestAddress
        var slotCount: Int
        var layout: SlotLayout
    }

    private static let pageSize = 4096
    private static let start = GuestAddress(0x4000_0000)
    /// A chain has up to three buffers: the request, the reply's header, the reply's payload.
    private static let largestChain = 3

    let region: GuestRegion
    let map: GuestMemoryMap
    let queues: [Queue]
    let requestLayout: SlotLayout
    private let features: FeatureBits

    init(queueSizes: [UInt16], largestPayload: Int, features: FeatureBits) throws(Errno) {
        let indirect = features.contains(.indirectDescriptors)
        requestLayout = SlotLayout(payloadSize: largestPayload)
        // FORGETs are short; the longest BATCH_FORGET that is sent in one piece fills a page.
        let hiprioLayout = SlotLayout(payloadSize: Self.pageSize)
        var next = Self.start
        var laidOut: [Queue] = []
        for (number, size) in queueSizes.enumerated() {
            let layout = number == 0 ? hiprioLayout : requestLayout
            let ring = QueueLayout(size: size, features: features.ringFeatures)
            let ringSize = (ring.total + Self.pageSize - 1) & ~(Self.pageSize - 1)
            let slotCount = indirect ? Int(size) : max(1, Int(size) / Self.largestChain)
            laidOut.append(
                Queue(
                    size: size, ring: next, firstSlot: next + UInt64(ringSize), slotCount: slotCount, layout: layout))
            next = next + UInt64(ringSize + slotCount * layout.stride)
        }
        let total = Int(next.rawValue - Self.start.rawValue)
        let file = try MemoryFile(name: "virtiofs-guest", size: total)
        region = try GuestRegion(start: Self.start, keeping: file)
        map = GuestMemoryMap(regions: [region])!
        queues = laidOut
        self.features = features
    }

    /// Zeroes a queue's ring and says where it is.
    func prepareRing(_ number: Int) -> QueueConfiguration {
        let queue = queues[number]
        let parts = QueueLayout(size: queue.size, features: features.ringFeatures)
        region.pointer(at: queue.ring).initializeMemory(as: UInt8.self, repeating: 0, count: parts.total)
        return configuration(number)
    }

    /// Where a queue's ring is.
    func configuration(_ number: Int) -> QueueConfiguration {
        let queue = queues[number]
        let parts = QueueLayout(size: queue.size, features: features.ringFeatures)
        return QueueConfiguration(
            size: queue.size, descriptorArea: queue.ring, driverArea: queue.ring + UInt64(parts.driverOffset),
            deviceArea: queue.ring + UInt64(parts.deviceOffset), features: features.ringFeatures)
    }

    func makeQueue(_ number: Int, ring: consuming DriverQueue, replies: ReplySink, driver: VirtioFSDriver)
        -> RequestQueue
    {
        let queue = queues[number]
        return RequestQueue(
            number: number, ring: ring, slotCount: queue.slotCount, layout: queue.layout, region: region,
            firstSlot: queue.firstSlot, replies: replies, driver: driver)
    }
}
