import CKernel
import FUSEWire

/// What the device tells a client at INIT beside the flags (`fuse_init_out`, linux/fuse.h).
public struct FUSELimits: Sendable {
    /// The protocol's minor version that the device speaks; a client with a smaller one gets its own back.
    public var minor: UInt32 = 45
    /// The oldest minor version that the device speaks.
    public var oldestMinor: UInt32 = 27
    /// Bytes of data in a WRITE.
    public var maxWrite: UInt32 = 1 << 20
    /// Bytes that the client may read ahead; it has a limit of its own, too.
    public var maxReadahead: UInt32 = .max
    /// Pages of data in any request.
    public var maxPages: UInt16 = 256
    /// Requests that the client's kernel may have in the background at once, readahead and direct I/O among them.
    public var maxBackground: UInt16 = 128
    /// The number of those above which it holds back.
    public var congestionThreshold: UInt16 = 96

    public init() {}

    func answer(to offer: fuse_init_in, flags: InitFlags) -> fuse_init_out {
        var answer = fuse_init_out()
        answer.major = UInt32(FUSE_KERNEL_VERSION)
        answer.minor = min(offer.minor, minor)
        answer.max_readahead = min(offer.max_readahead, maxReadahead)
        answer.flags = flags.words.flags
        answer.flags2 = flags.words.flags2
        answer.max_background = maxBackground
        answer.congestion_threshold = congestionThreshold
        answer.max_write = maxWrite
        answer.time_gran = 1
        answer.max_pages = maxPages
        return answer
    }
}
