public import CKernel
public import FUSEWire
public import SystemPackage

/// The request that a thread is serving: who asks, and what the file system may want of the device meanwhile.
///
/// There is one for each thread, used again for each request; nothing of it outlives the call that it is passed to.
public final class Request {
    /// The request's header, a private copy.
    @exclusivity(unchecked) public internal(set) var header = fuse_in_header()
    /// Who gives the queue away before an operation blocks; see ``mayBlock()``.
    @exclusivity(unchecked) unowned var server: (any BlockingHost)?
    @exclusivity(unchecked) var role = Role.worker
    /// What the thread has popped and not begun to serve, or served and not returned, where it can pop several chains.
    @exclusivity(unchecked) var batch: ChainBatch?
    /// Whether the thread has given its queue away for this request.
    @exclusivity(unchecked) var hasBlocked = false

    /// In which quality a thread serves a request.
    enum Role {
        /// It has the lead of the queue and serves what it pops.
        case leader
        /// It serves one request on the side.
        case worker
        /// It serves beside the leader.
        case assistant
        /// It belongs to the kicking side and must not block.
        case onLoan
    }

    init() {}

    public var uid: UInt32 { header.uid }
    public var gid: UInt32 { header.gid }
    public var pid: UInt32 { header.pid }
    public var id: RequestID { RequestID(rawValue: header.unique) }
    /// A group beyond ``gid`` that the caller is in, and by which it may make something in the folder in question.
    @exclusivity(unchecked) public internal(set) var supplementaryGroup: UInt32?

    /// To be called before a call that may block for long: an fsync, a lock, a read of what is not in memory. The
    /// device then gives the queue that this thread serves to another thread.
    ///
    /// Where small requests pile up, a thread returns up to four together: answers of such a batch wait for an operation
    /// that blocks and doesn't say so here.
    ///
    /// Nothing with an effect may come before it in an operation: where the thread is only on loan from the kicking
    /// side, this throws ``SystemPackage/Errno/restart``, and the operation starts again on a thread that can wait.
    ///
    /// No INTERRUPT ends what comes then: on a local file system no signal makes read(2), write(2) or fsync(2) fail, and
    /// programs rely on it (PostgreSQL panics over an fdatasync(2) that says EINTR). Waits for locks can be broken off, see
    /// ``onInterrupt(_:while:)``.
    public func mayBlock() throws(Errno) { try server?.willBlock(self) }
}

extension Request {
    /// Whether this thread still serves its queue after ``mayBlock()``, because all others are in operations that block:
    /// while it waits, nothing of the queue is served.
    public var holdsQueue: Bool { server != nil && !hasBlocked }

    /// Runs `body`, which blocks, so that `action` is called, on another thread, when the client interrupts the request or
    /// the queue stops. `action` has to make `body` return.
    ///
    /// - Throws: EINTR when that has happened already.
    public func onInterrupt<Result>(
        _ action: @escaping @Sendable () -> Void, while body: () throws(Errno) -> Result
    ) throws(Errno) -> Result {
        guard let server else { return try body() }
        let wait = try server.startWait(self, action)
        defer { server.endWait(wait) }
        return try body()
    }
}

/// What serves requests on behalf of something that must not be held up.
protocol BlockingHost: AnyObject {
    /// See ``Request/mayBlock()``.
    func willBlock(_ request: Request) throws(Errno)
    /// See ``Request/onInterrupt(_:while:)``: a number for ``endWait(_:)``.
    func startWait(_ request: Request, _ action: @escaping @Sendable () -> Void) throws(Errno) -> Int
    func endWait(_ wait: Int)
}

extension Errno {
    /// The operation has to start again on another thread. Never sent to a client: it is the kernel's own ERESTARTSYS
    /// (include/linux/errno.h), above every errno that FUSE allows.
    public static var restart: Errno { Errno(rawValue: 512) }
}
