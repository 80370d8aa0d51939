import CKernel
public import GuestMemory
import Synchronization
import Syscalls
import SystemPackage
import Virtio

/// The log of written pages at the front end's side.
struct PageLog {
    let file: GuestRegion
}

extension FrontEndTransport {
    /// From here on the back end notes which pages of guest memory it writes, rings included (vhost-user, "Migration").
    public func startLog() throws(FrontEndError) {
        let pending = lock.withLock { state.pending }
        guard protocolFeatures.contains(.logFile), let memory = pending.first?.value.memory else {
            throw .refused(.setLogBase)
        }
        let pages = Int((memory.end + DirtyLog.pageSize - 1) / DirtyLog.pageSize)
        // Whole pages of bits.
        let size = (pages / 8 + 4096) & ~4095
        let file: GuestRegion
        do throws(Errno) {
            file = try GuestRegion(start: GuestAddress(0), keeping: MemoryFile(name: "log", size: size))
        } catch {
            throw .system(error)
        }
        let message = bytes(of: LogDescription(size: UInt64(size), offset: 0))
        _ = try channel.ask(.setLogBase, message, descriptors: [file.file!])
        lock.withLock { state.log = PageLog(file: file) }
        try settleFeatures(logging: true)
        try logRings(true)
    }

    /// Ends that.
    public func stopLog() throws(FrontEndError) {
        try settleFeatures()
        try logRings(false)
        lock.withLock { state.log = nil }
    }

    private func logRings(_ isOn: Bool) throws(FrontEndError) {
        for (number, queue) in lock.withLock({ state.pending }) {
            try channel.tell(.setRingAddresses, try addresses(UInt32(number), queue, isLogged: isOn))
        }
    }

    /// The guest addresses of pages that were written since this was last asked, in order.
    public func takeLoggedPages() -> [GuestAddress] {
        guard let file = lock.withLock({ state.log?.file }) else { return [] }
        let bytes = file.base.assumingMemoryBound(to: Atomic<UInt8>.self)
        var pages: [GuestAddress] = []
        for index in 0..<file.size {
            let bits = bytes[index].exchange(0, ordering: .acquiring)
            for bit in 0..<8 where bits & 1 << UInt8(bit) != 0 {
                pages.append(GuestAddress(UInt64(8 * index + bit) * DirtyLog.pageSize))
            }
        }
        return pages
    }
}
