import GuestMemory
import Syscalls
public import SystemPackage
public import Virtio
public import Virtqueue

/// Why a recording can't be run against a device.
public enum ReplayError: Error, Equatable, Sendable {
    case system(Errno)
    case transport(TransportError)
    case ring(RingError)
    /// The device has not answered in time.
    case silent
}

/// A device as a replay uses it: one request at a time, on the hiprio queue or the first request queue.
public final class ReplayDevice {
    /// Seconds in which a request has to be answered.
    private static let patience = 30
    /// Bytes for a request, and as many for its answer.
    private static let partSize = Recording.largestPart

    private let transport: any DriverTransport
    private let region: GuestRegion
    private let memory: GuestMemoryMap
    private let answered = NotificationWord()
    private var hiprio: DriverQueue
    private var requests: DriverQueue

    /// Brings the device up.
    public init(_ transport: any DriverTransport) throws(ReplayError) {
        self.transport = transport
        do throws(Errno) {
            let file = try MemoryFile(name: "replay", size: 1 << 16 + 2 * Self.partSize)
            region = try GuestRegion(start: GuestAddress(1 << 20), keeping: file)
        } catch { throw .system(error) }
        memory = GuestMemoryMap(regions: [region])!
        let features: FeatureBits = [.version1]
        let layout = QueueLayout(size: 16, features: [])
        let (region, memory) = (region, memory)
        func configuration(_ number: Int) -> QueueConfiguration {
            let start = region.start + UInt64(number * 4096)
            return QueueConfiguration(
                size: 16, descriptorArea: start, driverArea: start + UInt64(layout.driverOffset),
                deviceArea: start + UInt64(layout.deviceOffset), features: [])
        }
        do throws(RingError) {
            hiprio = try DriverQueue(configuration(0), memory: memory)
            requests = try DriverQueue(configuration(1), memory: memory)
        } catch { throw .ring(error) }
        transport.reset()
        transport.setStatus([.acknowledge, .driver])
        transport.acceptFeatures(features)
        transport.setStatus(.featuresOK)
        do throws(TransportError) {
            guard transport.status.contains(.featuresOK) else { throw .featuresRefused(features) }
            for number in 0...1 {
                try transport.setUpQueue(number, configuration(number), memory: memory) { [answered] in answered.ring()
                }
            }
        } catch { throw .transport(error) }
        transport.setStatus(.driverOK)
    }

    deinit { transport.reset() }

    /// Sends a request; the answer, as long as the device says that it is.
    func send(_ request: [UInt8], room: Int, isHighPriority: Bool) throws(ReplayError) -> [UInt8] {
        guard request.count <= Self.partSize, room <= Self.partSize else { throw .system(.messageTooLong) }
        let start = region.start + UInt64(1 << 16)
        region.pointer(at: start).copyMemory(from: request, byteCount: request.count)
        let reply = start + UInt64(Self.partSize)
        let readable = [GuestBuffer(start, count: UInt32(request.count))]
        let writable = room > 0 ? [GuestBuffer(reply, count: UInt32(room))] : []
        let number = isHighPriority ? 0 : 1
        _ = readable.withUnsafeBufferPointer { readable in
            writable.withUnsafeBufferPointer { writable in
                isHighPriority
                    ? hiprio.add(readable: readable, writable: writable, table: nil, token: 1)
                    : requests.add(readable: readable, writable: writable, table: nil, token: 1)
            }
        }
        _ = isHighPriority ? hiprio.needsKick() : requests.needsKick()
        transport.doorbell(number)?.ring(lending: false)
        let count = try waitForAnswer(isHighPriority)
        return Array(UnsafeRawBufferPointer(start: region.pointer(at: reply), count: Int(count)))
    }

    private func waitForAnswer(_ isHighPriority: Bool) throws(ReplayError) -> UInt32 {
        for _ in 0..<Self.patience * 10 {
            let seen = answered.count
            do throws(RingError) {
                if let used = try isHighPriority ? hiprio.popUsed() : requests.popUsed() { return used.written }
            } catch { throw .ring(error) }
            if transport.status.contains(.deviceNeedsReset) { throw .silent }
            answered.wait(beyond: seen)
        }
        throw .silent
    }
}

/// Counts interrupts, for one thread that waits for more.
private final class NotificationWord: Sendable {
    private let word = ParkingWord(0)

    var count: UInt32 { word.value }

    func ring() {
        word.add(1)
        word.wake()
    }

    /// Waits for more than `seen`, a tenth of a second at most.
    func wait(beyond seen: UInt32) { word.park(while: seen, nanoseconds: 100_000_000) }
}
