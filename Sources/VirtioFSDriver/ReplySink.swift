import FUSEWire

/// Where the replies of all queues go. The queues hold this and not the driver: whoever retains what threads on several
/// processors share makes its reference count go from one to the other with each reply.
final class ReplySink: @unchecked Sendable {
    private final class Handler: Sendable {
        let body: @Sendable (Reply) -> Void

        init(_ body: @escaping @Sendable (Reply) -> Void) { self.body = body }
    }

    let ledger: NodeLedger
    /// Held by this; used without being retained.
    @exclusivity(unchecked) private var handler: Unmanaged<Handler>?

    init(_ ledger: NodeLedger) { self.ledger = ledger }

    deinit { handler?.release() }

    /// Sets where replies go that no ``PendingCall`` waits for; before the first such request.
    func set(_ body: @escaping @Sendable (Reply) -> Void) {
        handler?.release()
        handler = Unmanaged.passRetained(Handler(body))
    }

    func deliver(_ reply: Reply) { handler?._withUnsafeGuaranteedRef { $0.body(reply) } }
}
