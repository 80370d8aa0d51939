/// A region of guest memory as the front end describes it (vhost-user, "Memory regions description").
public struct MemoryRegionDescription: BitwiseCopyable, Hashable, Sendable {
    /// Where the guest sees it.
    public var guestAddress: UInt64
    /// Bytes.
    public var size: UInt64
    /// Where the front end has it mapped: ring addresses are in its terms.
    public var userAddress: UInt64
    /// Where in the file it starts, in bytes.
    public var fileOffset: UInt64

    public init(guestAddress: UInt64, size: UInt64, userAddress: UInt64, fileOffset: UInt64) {
        self.guestAddress = guestAddress
        self.size = size
        self.userAddress = userAddress
        self.fileOffset = fileOffset
    }

    /// Whether this is the region that `other` means to remove: the offset is ignored
    /// (vhost-user, VHOST_USER_REM_MEM_REG).
    func isSameRegion(as other: Self) -> Bool {
        guestAddress == other.guestAddress && userAddress == other.userAddress && size == other.size
    }
}

/// Before the only region of ADD_MEM_REG and REM_MEM_REG (vhost-user, "Single memory region description").
struct SingleRegionMessage: BitwiseCopyable {
    var padding: UInt64 = 0
    var region: MemoryRegionDescription
}

/// Before the regions of SET_MEM_TABLE.
struct MemoryTableHead: BitwiseCopyable {
    var regionCount: UInt32
    var padding: UInt32 = 0
}

/// Before the bytes of GET_CONFIG and SET_CONFIG (vhost-user, "Virtio device config space").
struct ConfigurationHead: BitwiseCopyable {
    var offset: UInt32
    var size: UInt32
    var flags: UInt32 = 0

    /// Bytes of the largest configuration space that the protocol can carry.
    static let largestSize = 256
}
