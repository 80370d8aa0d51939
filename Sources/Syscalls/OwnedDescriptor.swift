public import SystemPackage

import CKernel
import Glibc

/// A file descriptor with one owner, closed when the owner goes.
public struct OwnedDescriptor: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    /// Takes `descriptor` over: nobody else closes it.
    public init(owning descriptor: FileDescriptor) { self.descriptor = descriptor }

    public var rawValue: Int32 { descriptor.rawValue }

    /// Gives the descriptor away; the caller closes it.
    public consuming func release() -> FileDescriptor {
        let released = descriptor
        discard self
        return released
    }

    deinit { descriptor.closeOwned() }
}

extension FileDescriptor {
    /// Closes a descriptor that the caller owns. EBADF is a bug of ours (a double close) and traps; any other error of
    /// close(2) still releases the descriptor on Linux and is of no use here.
    public func closeOwned() {
        let result = CKernel.close(rawValue)
        precondition(result == 0 || errno != EBADF, "closed a descriptor that was not open")
    }

    /// A copy of this descriptor, closed on exec. The corresponding call is fcntl(2) `F_DUPFD_CLOEXEC`.
    public func duplicateClosingOnExec() throws(Errno) -> OwnedDescriptor {
        OwnedDescriptor(owning: FileDescriptor(rawValue: try check(ck_fcntl_int(rawValue, F_DUPFD_CLOEXEC, 0))))
    }
}
