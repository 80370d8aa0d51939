/// The guest's physical address space as this process can reach it: regions in order, never overlapping, never changing.
///
/// A new layout is a new map. Who holds a map, a descriptor chain in flight for example, keeps its memory mapped.
@safe public final class GuestMemoryMap: @unchecked Sendable {
    /// A region as translation needs it, without a reference to count.
    @safe private struct Window {
        var start: UInt64
        var size: UInt64
        var base: UnsafeMutableRawPointer
    }

    public let regions: [GuestRegion]
    private let windows: UnsafeMutableBufferPointer<Window>

    /// Nothing where two regions overlap or one reaches up to the end of the address space.
    public init?(regions: [GuestRegion]) {
        let sorted = regions.sorted { $0.start < $1.start }
        var end: UInt64 = 0
        for region in sorted {
            let (next, overflow) = region.start.rawValue.addingReportingOverflow(UInt64(region.size))
            guard region.start.rawValue >= end, !overflow else { return nil }
            end = next
        }
        self.regions = sorted
        unsafe windows = .allocate(capacity: sorted.count)
        for (index, region) in sorted.enumerated() {
            unsafe windows.initializeElement(
                at: index, to: Window(start: region.start.rawValue, size: UInt64(region.size), base: region.base))
        }
    }

    deinit { unsafe windows.deallocate() }

    /// Where guest memory at `address` is in this process, if all `count` bytes lie in one region.
    public func translate(_ address: GuestAddress, count: UInt64) -> UnsafeMutableRawPointer? {
        guard let (base, available) = unsafe locate(address), count <= available else { return nil }
        return unsafe base
    }

    /// The guest address of what is at `pointer` in this process; nothing where no region is.
    public func address(of pointer: UnsafeRawPointer) -> GuestAddress? {
        for index in unsafe windows.indices {
            let window = unsafe windows[index]
            let offset = unsafe UInt64(UInt(bitPattern: pointer) &- UInt(bitPattern: window.base))
            if offset < window.size { return GuestAddress(window.start + offset) }
        }
        return nil
    }

    /// Where the last region ends.
    public var end: UInt64 { unsafe windows.last.map { $0.start + $0.size } ?? 0 }

    /// Where guest memory at `address` is, and how many bytes of its region follow there.
    public func locate(_ address: GuestAddress) -> (base: UnsafeMutableRawPointer, available: UInt64)? {
        for index in unsafe windows.indices {
            let window = unsafe windows[index]
            // Wraps to a huge number for an address below the window, which the comparison then refuses.
            let offset = address.rawValue &- window.start
            if offset < window.size { return unsafe (window.base + Int(offset), window.size - offset) }
        }
        return nil
    }
}
