public import SystemPackage

import CKernel

/// An eventfd(2): a counter that a thread can sleep on and another, or another process, can ring.
public struct EventDescriptor: ~Copyable, Sendable {
    /// Where the bell is rung.
    private enum Bell: ~Copyable {
        /// By this process alone, on `owned`.
        case ours
        /// By a peer too, on a descriptor of its own.
        case shared(OwnedDescriptor)
        /// By nobody: who waits has to look from time to time.
        case none
    }

    private let owned: OwnedDescriptor
    private let bell: Bell

    public init() throws(Errno) {
        owned = OwnedDescriptor(owning: FileDescriptor(rawValue: try check(eventfd(0, Int32(EFD_CLOEXEC)))))
        bell = .ours
    }

    /// A bell that a peer rings on a descriptor of its own, a vhost-user kick for example.
    ///
    /// The peer may be hostile, so nothing here trusts that descriptor: it need not be an eventfd, others may read it
    /// too, and ``ring()`` works without it, on an eventfd of ours.
    public init(rungBy peer: consuming OwnedDescriptor) throws(Errno) {
        try peer.descriptor.stopBlocking()
        owned = try Self.makeSilent()
        bell = .shared(peer)
    }

    /// A bell of nobody's: ``wait()`` returns after a short time.
    public static func rungByNobody() throws(Errno) -> Self { Self(silent: try makeSilent()) }

    private init(silent: consuming OwnedDescriptor) {
        owned = silent
        bell = .none
    }

    public var descriptor: FileDescriptor { owned.descriptor }

    /// Adds one to the counter and wakes who sleeps on it.
    public func ring() {
        var one: UInt64 = 1
        _ = CKernel.write(owned.rawValue, &one, 8)
    }

    /// Sleeps until the counter is not zero, then takes it back to zero. May return early: the caller looks again.
    public func wait() {
        switch bell {
        case .ours: _ = Self.take(owned.rawValue)
        case .shared(let peer): wait(alsoOn: peer.rawValue)
        case .none: waitShortly()
        }
    }

    /// How long a wait lasts where nobody rings, in milliseconds.
    private static let lookAgain: Int32 = 1

    private static func take(_ descriptor: Int32) -> Int {
        var count: UInt64 = 0
        return CKernel.read(descriptor, &count, 8)
    }

    private func wait(alsoOn peer: Int32) {
        withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 2) { polled in
            polled[0] = pollfd(fd: owned.rawValue, events: Int16(POLLIN), revents: 0)
            polled[1] = pollfd(fd: peer, events: Int16(POLLIN), revents: 0)
            _ = poll(polled.baseAddress, 2, -1)
            if polled[0].revents != 0 { _ = Self.take(owned.rawValue) }
            // What is ready for ever, a closed pipe for example, is no bell.
            if polled[1].revents != 0 && Self.take(peer) <= 0 { waitShortly() }
        }
    }

    private func waitShortly() {
        var polled = pollfd(fd: owned.rawValue, events: Int16(POLLIN), revents: 0)
        if poll(&polled, 1, Self.lookAgain) > 0 { _ = Self.take(owned.rawValue) }
    }
}

extension EventDescriptor {
    /// An eventfd that takes any number of rings and that nobody waits for.
    public static func makeSilent() throws(Errno) -> OwnedDescriptor {
        let flags = Int32(EFD_CLOEXEC | EFD_NONBLOCK)
        return OwnedDescriptor(owning: FileDescriptor(rawValue: try check(eventfd(0, flags))))
    }

    /// Rings an eventfd, or something like one, that a peer has made.
    public static func ring(_ descriptor: FileDescriptor) {
        var one: UInt64 = 1
        _ = CKernel.write(descriptor.rawValue, &one, 8)
    }
}

extension FileDescriptor {
    /// Puts this open file behind the descriptor `other` in place of what was there. The corresponding call is dup3(2)
    /// with `O_CLOEXEC`.
    public func replace(_ other: FileDescriptor) throws(Errno) {
        try check(CKernel.dup3(rawValue, other.rawValue, O_CLOEXEC))
    }

    /// Lets no call on this open file block (fcntl(2), O_NONBLOCK), in whatever process it is made.
    public func stopBlocking() throws(Errno) {
        let flags = try check(ck_fcntl_int(rawValue, F_GETFL, 0))
        try check(ck_fcntl_int(rawValue, F_SETFL, flags | O_NONBLOCK))
    }
}
