import CKernel
import FUSEWire
import Synchronization
import SystemPackage

/// A FUSE session as the device holds it: from INIT to DESTROY, common to all queues (virtio 1.4, 5.11.5:
/// fs.init.device-shared-session). It knows no ring: a request and the room for its reply come as an ``Exchange``.
public final class FUSESession<Files: FileSystem>: Sendable {
    public let files: Files
    let limits: FUSELimits
    let interrupts = InterruptRegistry()
    private let established = Atomic<Bool>(false)
    private let minorVersion = Atomic<UInt32>(0)
    private let chosenFlags = Atomic<UInt64>(0)
    /// Whether the client has the byte order that isn't this machine's.
    private let isSwapped = Atomic<Bool>(false)

    public init(files: Files, limits: FUSELimits = FUSELimits()) {
        self.files = files
        self.limits = limits
    }

    /// Whether INIT has been answered, and no DESTROY since.
    public var isEstablished: Bool { established.load(ordering: .acquiring) }

    /// What INIT has settled.
    var negotiated: InitFlags { InitFlags(rawValue: chosenFlags.load(ordering: .relaxed)) }

    /// Ends the session, if there is one: all nodes and handles are gone.
    public func end() {
        interrupts.removeAll()
        if established.exchange(false, ordering: .acquiringAndReleasing) { files.end() }
    }

    /// Serves one request.
    ///
    /// - Returns: bytes written into the reply's buffers: the used length of the chain.
    /// - Throws: ``Restart`` when the request has to be served again on a thread that can wait; nothing has happened.
    public func serve(_ exchange: Exchange) throws(Restart) -> UInt32 {
        let payload: Int
        do throws(Errno) {
            guard exchange.readHeader(sessionIsSwapped: isSwapped.load(ordering: .relaxed)) else {
                throw .invalidArgument
            }
            payload = try dispatch(exchange)
        } catch {
            if error == .restart { throw Restart() }
            return answer(exchange, payload: 0, error: error.rawValue)
        }
        return answer(exchange, payload: payload, error: 0)
    }

    private func answer(_ exchange: Exchange, payload: Int, error: Int32) -> UInt32 {
        guard !hasNoReply(exchange), exchange.replyCapacity != nil else { return 0 }
        return exchange.finish(payload: payload, error: error)
    }

    private func hasNoReply(_ exchange: Exchange) -> Bool {
        Opcode(rawValue: exchange.request.header.opcode)?.hasNoReply ?? false
    }

    // MARK: INIT and DESTROY

    /// Opens the session. An INIT in a running session ends that one first, with all its handles
    /// (virtio 1.4, 5.11.6: fs.session.device-reinit-restarts).
    func initialize(_ exchange: Exchange, _ cursor: inout WireCursor) throws(Errno) -> Int {
        var offer = fuse_init_in()
        offer.major = try cursor.take(UInt32.self)
        offer.minor = try cursor.take(UInt32.self)
        // A client of a later major version asks again with ours (linux/fuse.h, "fuse_init_in"); earlier ones are gone.
        guard offer.major <= UInt32(FUSE_KERNEL_VERSION) else { return exchange.reply(with: versionOnly()) }
        guard offer.major == UInt32(FUSE_KERNEL_VERSION), offer.minor >= limits.oldestMinor else {
            throw .protocolError
        }
        offer.max_readahead = try cursor.take(UInt32.self)
        offer.flags = try cursor.take(UInt32.self)
        let flags2 = cursor.remaining >= 4 ? try cursor.take(UInt32.self) : 0
        end()
        let offered = InitFlags(flags: offer.flags, flags2: flags2)
        let wanted = files.begin(offered: offered).intersection(offered)
        minorVersion.store(min(offer.minor, limits.minor), ordering: .releasing)
        chosenFlags.store(wanted.rawValue, ordering: .relaxed)
        isSwapped.store(exchange.isSwapped, ordering: .relaxed)
        established.store(true, ordering: .releasing)
        return exchange.reply(with: limits.answer(to: offer, flags: wanted))
    }

    private func versionOnly() -> fuse_init_out {
        var answer = fuse_init_out()
        answer.major = UInt32(FUSE_KERNEL_VERSION)
        answer.minor = limits.minor
        return answer
    }

    func destroy() -> Int {
        end()
        return 0
    }
}

/// A request can't be finished on this thread and has to start again on another.
public struct Restart: Error {}
