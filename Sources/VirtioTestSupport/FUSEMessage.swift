public import CKernel
public import FUSEWire

/// A FUSE request to be built in a test: a header, then structures, names and bytes one behind the other.
public struct FUSEMessage: Sendable {
    /// The header. Its length is filled in by ``bytes``.
    public var header: fuse_in_header
    /// What follows the header.
    public var arguments: [UInt8] = []

    public init(_ opcode: Opcode, node: NodeID = .root, unique: UInt64 = 1) {
        self.init(opcode: opcode.rawValue, node: node.rawValue, unique: unique)
    }

    /// As ``init(_:node:unique:)``, for an opcode that need not be one.
    public init(opcode: UInt32, node: UInt64, unique: UInt64) {
        header = fuse_in_header()
        header.opcode = opcode
        header.nodeid = node
        header.unique = unique
    }

    /// Appends a structure of linux/fuse.h.
    public func with(_ value: some BitwiseCopyable) -> FUSEMessage {
        withUnsafeBytes(of: value) { with(bytes: $0) }
    }

    /// Appends a name and its terminating zero.
    public func with(name: some StringProtocol) -> FUSEMessage { with(bytes: Array(name.utf8) + [0]) }

    /// Appends bytes as they are.
    public func with(bytes: some Sequence<UInt8>) -> FUSEMessage {
        var longer = self
        longer.arguments.append(contentsOf: bytes)
        return longer
    }

    /// The whole request, with the length that it has.
    public var bytes: [UInt8] {
        var header = header
        header.len = UInt32(MemoryLayout<fuse_in_header>.size + arguments.count)
        return withUnsafeBytes(of: header) { Array($0) } + arguments
    }
}

extension FUSEMessage {
    /// INIT as a client of that version sends it.
    public static func initialize(
        major: UInt32 = UInt32(FUSE_KERNEL_VERSION), minor: UInt32 = UInt32(FUSE_KERNEL_MINOR_VERSION),
        flags: InitFlags = [.initExtended], unique: UInt64 = 1
    ) -> FUSEMessage {
        var offer = fuse_init_in()
        offer.major = major
        offer.minor = minor
        offer.max_readahead = 1 << 17
        (offer.flags, offer.flags2) = flags.words
        return FUSEMessage(.initialize, node: NodeID(rawValue: 0), unique: unique).with(offer)
    }
}
