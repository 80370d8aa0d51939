public import GuestMemory

/// Where the device of one queue keeps, in memory that outlives it, which chains it has: a device that takes over after a
/// crash serves them again (vhost-user, "Inflight I/O tracking").
///
/// The memory is shared with a peer that may write anything there at any time. So it is read once, when a device takes over,
/// and checked; from then on the device goes by records of its own and only writes.
@safe public struct InflightRegion: @unchecked Sendable {
    /// What the first structure of the region says of it.
    enum Head {
        static let version: UInt16 = 1
        static let size = 16
        static let packedSize = 32
    }

    let base: UnsafeMutableRawPointer
    /// What keeps the memory mapped.
    private let owner: GuestRegion

    /// - Parameters:
    ///   - owner: the mapping in which the region is.
    ///   - offset: a multiple of 64 at which there are ``size(of:features:)`` bytes.
    public init(in owner: GuestRegion, offset: Int) {
        precondition(offset >= 0 && offset % Self.alignment == 0 && offset < owner.size)
        unsafe base = owner.base + offset
        self.owner = owner
    }

    private static let alignment = 64

    /// Bytes of the region of a queue of `queueSize` descriptors. Other back ends align it so, too, and each finds the next
    /// region by that.
    public static func size(of queueSize: UInt16, features: RingFeatures) -> Int {
        let isPacked = features.contains(.packed)
        let bytes = isPacked ? Head.packedSize + 32 * Int(queueSize) : Head.size + 16 * Int(queueSize)
        return (bytes + alignment - 1) & ~(alignment - 1)
    }

    // The fields that both layouts have: features, version, desc_num.
    private var version: SharedUInt16 { unsafe SharedUInt16(at: base + 8) }

    /// Whether a device has written it already; throws where that was for another kind of queue.
    func wasUsed(queueSize: UInt16) throws(RingError) -> Bool {
        switch version.load() {
        case 0: return false
        case Head.version:
            let found = half(10).load()
            guard found == queueSize else { throw .badSize(found) }
            return true
        default: throw .badInflightRegion
        }
    }

    /// Says for which queue it is. To be called when the rest is ready.
    func begin(queueSize: UInt16) {
        unsafe SharedUInt64(at: base).store(0)
        half(10).store(queueSize)
        version.store(Head.version)
    }

    func half(_ offset: Int) -> SharedUInt16 { unsafe SharedUInt16(at: base + offset) }

    /// The bytes at `offset` and behind it as one number: a flag and its padding, or two flags.
    func setBytes(at offset: Int, _ first: Bool, _ second: Bool = false) {
        half(offset).store((first ? 1 : 0) | (second ? 0x100 : 0))
    }

    func flag(at offset: Int) -> Bool { half(offset).load() & 0xff != 0 }
}
