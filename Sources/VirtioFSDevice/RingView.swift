import CKernel
import GuestMemory
import Syscalls
import Virtio
import Virtqueue

/// The consuming half of a queue in the map of guest memory that it was opened in. When the memory changes, the queue goes
/// on with a new one; who works with a chain keeps the one that the chain is walked in, and so the chain's memory.
final class RingView: @unchecked Sendable {
    /// In a place of its own, so that a leader, whose queue holds the view, uses it without a reference more.
    let available: UnsafeMutablePointer<AvailableReader>
    private let configuration: QueueConfiguration
    private let memory: GuestMemoryMap

    init(_ available: consuming AvailableReader, in place: RingMove) {
        self.available = .allocateOnOwnCacheLines()
        self.available.initialize(to: available)
        configuration = place.configuration
        memory = place.memory
    }

    deinit {
        available.deinitialize(count: 1)
        available.deallocate()
    }
}

/// Where a running queue is to go on.
struct RingMove {
    let configuration: QueueConfiguration
    let memory: GuestMemoryMap
}

// MARK: - what a migration wants to know

extension RingView {
    private var isPacked: Bool { configuration.features.contains(.packed) }

    /// Notes the first `written` bytes of `buffers`, which a chain was answered with.
    func note(_ buffers: UnsafeMutableBufferPointer<iovec>, written: UInt32, into log: DirtyLog) {
        var left = UInt64(written)
        for buffer in buffers where left > 0 {
            let count = min(left, UInt64(buffer.iov_len))
            if let address = memory.address(of: buffer.iov_base) { log.mark(address, count: count) }
            left -= count
        }
    }

    /// Notes that a chain was returned at `place`, which was ``Virtqueue/UsedWriter/nextUsed`` before. In a packed ring
    /// that is a descriptor, noted where it is: only the device area has a log address of its own.
    func noteUsed(at place: UInt16, usedRing: GuestAddress?, into log: DirtyLog) {
        if isPacked {
            log.mark(configuration.descriptorArea + 16 * UInt64(place & 0x7fff), count: 16)
        } else if let usedRing {
            log.mark(usedRing, count: 4)
            log.mark(usedRing + 4 + 8 * UInt64(place & (configuration.size - 1)), count: 8)
        }
    }

    /// Notes that the device has said which kicks it wants.
    func noteEvents(_ usedRing: GuestAddress, into log: DirtyLog) {
        log.mark(usedRing, count: 4)
        if !isPacked { log.mark(usedRing + 4 + 8 * UInt64(configuration.size), count: 2) }
    }
}
