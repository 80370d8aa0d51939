import CKernel
public import FUSEWire
public import SystemPackage
import Synchronization

/// A FUSE client in user space: Swift tasks make the calls that a guest's kernel would make, and the driver carries them
/// to the device.
///
/// There is a method for each operation of the protocol, with the wire's own structures. A call suspends its task and
/// blocks no thread; where the task is cancelled, the device is told so by an INTERRUPT, and the call ends when the
/// device answers: with EINTR where it could be broken off. What a guest's kernel knows above that (paths, permissions)
/// is not here.
public final class FUSEClient: Sendable {
    /// What INIT has settled.
    public let negotiated: InitFlags
    /// The smaller minor version of both sides.
    public let minorVersion: UInt32
    /// Bytes of data in one READ, READDIR or the like.
    public let largestRead: Int
    /// Bytes of data in one WRITE.
    public let largestWrite: Int

    let driver: VirtioFSDriver
    let lookups: LookupCounts
    /// `unique` of the last request. The lowest bit is left to INTERRUPT, as in Linux (`FUSE_INT_REQ_BIT`).
    private let lastID = Atomic<UInt64>(2)

    /// What Linux's virtio-fs offers of the protocol, without what only a page cache has a use for.
    public static let offeredByDefault: InitFlags = [
        .asyncRead, .posixLocks, .atomicTruncate, .bigWrites, .dontMask, .flockLocks, .hasIoctlDir,
        .doReaddirplus, .asyncDirectIO, .parallelDirectoryOperations, .posixACL, .maxPages, .submounts,
        .handleKillprivV2, .setxattrExtended, .initExtended, .createSupplementaryGroup,
    ]

    /// Opens a session on a driver that has none yet.
    ///
    /// - Throws: the device's error; EPROTO for a version of the protocol that is no longer spoken (before 7.27).
    public init(
        driver: VirtioFSDriver, offering: InitFlags = FUSEClient.offeredByDefault
    ) async throws(Errno) {
        self.driver = driver
        lookups = LookupCounts(driver.ledger)
        let request = Self.initRequest(offering)
        let answer = try await driver.call(request) { $0.firstBytes(as: fuse_init_out.self) }
        guard answer.major == UInt32(FUSE_KERNEL_VERSION), answer.minor >= 27 else { throw .protocolError }
        driver.sessionOpened(with: request)
        negotiated = InitFlags(flags: answer.flags, flags2: answer.flags2).intersection(offering)
        minorVersion = min(answer.minor, Self.newestMinor)
        // Without MAX_PAGES a request has 32 (FUSE_DEFAULT_MAX_PAGES_PER_REQ).
        let pages = negotiated.contains(.maxPages) ? max(1, Int(answer.max_pages)) : 32
        let room = driver.largestRequest - SlotLayout.headSize
        largestRead = min(room, pages * 4096)
        largestWrite = min(room, pages * 4096, max(4096, Int(answer.max_write)))
    }

    private static let newestMinor: UInt32 = 45

    private static func initRequest(_ offering: InitFlags) -> [UInt8] {
        var arguments = fuse_init_in()
        arguments.major = UInt32(FUSE_KERNEL_VERSION)
        arguments.minor = newestMinor
        arguments.max_readahead = 1 << 20
        arguments.flags = offering.words.flags
        arguments.flags2 = offering.words.flags2
        var request = RequestEncoder(.initialize, NodeID(rawValue: 0), id: RequestID(rawValue: 2), as: .root)
        request.append(arguments)
        request.seal(extra: 0)
        return request.bytes
    }

    /// Lookups that the client holds, of all nodes.
    public var heldLookups: UInt64 { driver.ledger.heldLookups }

    /// Lookups that the client holds of one node.
    public func heldLookups(of node: NodeID) -> UInt64 { lookups.count(node) }

    /// Forgets every node and ends the session (DESTROY). Nothing else may be under way. The driver stays up.
    public func close() async {
        forgetAll()
        driver.sessionCloses()
        // Nothing is lost when the device refuses: the session is over for this side.
        _ = try? await call(.destroy, NodeID(rawValue: 0), as: .root, { _ in }) { _ in .success(()) }
    }

    // MARK: sending

    /// Sends a request and takes its reply.
    ///
    /// - Parameters:
    ///   - encode: appends the operation's arguments.
    ///   - data: what follows them, from the caller's memory.
    ///   - isInterruptible: false for calls that have to be carried out also for a task that is cancelled.
    ///   - receive: makes a value of a successful reply's payload, which it must copy before it believes it.
    func call<Value: Sendable>(
        _ opcode: Opcode, _ node: NodeID, as caller: Caller, _ encode: (inout RequestEncoder) -> Void,
        data: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), isInterruptible: Bool = true,
        receive: @escaping (UnsafeRawBufferPointer) -> Result<Value, Errno>
    ) async throws(Errno) -> Value {
        let id = RequestID(rawValue: lastID.wrappingAdd(2, ordering: .relaxed).newValue)
        var request = RequestEncoder(opcode, node, id: id, as: caller)
        encode(&request)
        request.seal(extra: data.count)
        guard request.bytes.count + data.count <= driver.largestRequest else { throw .argListTooLong }
        return try await driver.call(request.bytes, data: data, isInterruptible: isInterruptible, receive: receive)
    }

    /// A call whose reply is one structure.
    func call<Value: BitwiseCopyable & Sendable>(
        _ opcode: Opcode, _ node: NodeID, as caller: Caller, returning type: Value.Type,
        _ encode: (inout RequestEncoder) -> Void = { _ in }
    ) async throws(Errno) -> Value {
        try await call(opcode, node, as: caller, encode) { $0.firstBytes(as: type) }
    }

    /// A call whose reply says no more than that it was done.
    func perform(
        _ opcode: Opcode, _ node: NodeID, as caller: Caller, isInterruptible: Bool = true,
        _ encode: (inout RequestEncoder) -> Void = { _ in }
    ) async throws(Errno) {
        try await call(opcode, node, as: caller, encode, isInterruptible: isInterruptible) { _ in .success(()) }
    }

    /// A call whose reply gives an entry, which counts one lookup.
    func callForEntry(
        _ opcode: Opcode, _ node: NodeID, as caller: Caller, _ encode: (inout RequestEncoder) -> Void
    ) async throws(Errno) -> fuse_entry_out {
        let entry = try await call(opcode, node, as: caller, returning: fuse_entry_out.self, encode)
        // A node of zero is an ENOENT that may be cached (linux/fuse.h).
        guard entry.nodeid != 0 else { throw .noSuchFileOrDirectory }
        lookups.add(entry.nodeid)
        return entry
    }
}

extension UnsafeRawBufferPointer {
    /// The structure at the start, copied; EIO where there is less.
    func firstBytes<Value: BitwiseCopyable>(as type: Value.Type) -> Result<Value, Errno> {
        guard count >= MemoryLayout<Value>.size else { return .failure(.ioError) }
        return .success(loadUnaligned(as: type))
    }
}
