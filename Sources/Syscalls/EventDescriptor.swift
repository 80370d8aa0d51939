public import SystemPackage

import CKernel

/// An eventfd(2): a counter that a thread can sleep on and another, or another process, can ring.
public struct EventDescriptor: ~Copyable, Sendable {
    private let owned: OwnedDescriptor

    public init() throws(Errno) {
        owned = OwnedDescriptor(owning: FileDescriptor(rawValue: try check(eventfd(0, Int32(EFD_CLOEXEC)))))
    }

    /// Takes over an eventfd made elsewhere, a vhost-user kick for example.
    public init(owning descriptor: consuming OwnedDescriptor) { owned = descriptor }

    public var descriptor: FileDescriptor { owned.descriptor }

    /// Adds one to the counter and wakes who sleeps on it.
    public func ring() {
        var one: UInt64 = 1
        _ = CKernel.write(owned.rawValue, &one, 8)
    }

    /// Sleeps until the counter is not zero, then takes it back to zero. Returns at once on a signal.
    public func wait() {
        var count: UInt64 = 0
        _ = CKernel.read(owned.rawValue, &count, 8)
    }
}
