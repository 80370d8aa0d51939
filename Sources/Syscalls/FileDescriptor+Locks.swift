public import SystemPackage

import CKernel

/// A byte range and how it is locked, as fcntl(2) has it.
public struct RangeLock: Sendable, Equatable {
    /// `F_RDLCK`, `F_WRLCK`, or `F_UNLCK`.
    public var type: Int32
    public var start: Int
    /// The last byte; `Int.max` for the end of the file, wherever that is.
    public var end: Int
    /// Who has it, as the host knows it: nothing for a lock of an open file.
    public var pid: Int32?

    public init(type: Int32, start: Int, end: Int, pid: Int32? = nil) {
        self.type = type
        self.start = start
        self.end = end
        self.pid = pid
    }

    fileprivate var flock: CKernel.flock {
        CKernel.flock(
            l_type: Int16(type), l_whence: Int16(SEEK_SET), l_start: start,
            l_len: end == .max ? 0 : end - start + 1, l_pid: 0)
    }
}

/// Locks of the open file itself, not of the process: two that were opened apart stand in each other's way, in one
/// process as in two.
extension FileDescriptor {
    /// The corresponding call is fcntl(2) with `F_OFD_SETLK`: EAGAIN when somebody else's lock stands in the way.
    public func setLock(_ range: RangeLock) throws(Errno) {
        var lock = range.flock
        try checkRetrying { ck_fcntl_flock(rawValue, F_OFD_SETLK, &lock) }
    }

    /// The same with `F_OFD_SETLKW`: waits until nothing stands in the way, or `call` is ended.
    public func setLock(_ range: RangeLock, waitingIn call: BlockingCall) throws(Errno) {
        var lock = range.flock
        try call.run { ck_fcntl_flock(rawValue, F_OFD_SETLKW, &lock) }
    }

    /// The first lock that stands in the way of `range`; nothing if none does. The corresponding call is fcntl(2) with
    /// `F_OFD_GETLK`.
    public func lockInTheWay(of range: RangeLock) throws(Errno) -> RangeLock? {
        var lock = range.flock
        try checkRetrying { ck_fcntl_flock(rawValue, F_OFD_GETLK, &lock) }
        guard lock.l_type != F_UNLCK else { return nil }
        let end = lock.l_len == 0 ? Int.max : lock.l_start + lock.l_len - 1
        return RangeLock(
            type: Int32(lock.l_type), start: lock.l_start, end: end, pid: lock.l_pid > 0 ? lock.l_pid : nil)
    }

    /// The corresponding call is flock(2), which does not wait: EAGAIN when somebody else's lock stands in the way.
    ///
    /// - Parameter type: as in ``RangeLock``.
    public func setWholeLock(_ type: Int32) throws(Errno) {
        try checkRetrying { ck_flock(rawValue, Self.operation(type) | LOCK_NB) }
    }

    /// The same, waiting until nothing stands in the way, or `call` is ended.
    public func setWholeLock(_ type: Int32, waitingIn call: BlockingCall) throws(Errno) {
        try call.run { ck_flock(rawValue, Self.operation(type)) }
    }

    private static func operation(_ type: Int32) -> Int32 {
        switch type {
        case F_RDLCK: LOCK_SH
        case F_WRLCK: LOCK_EX
        default: LOCK_UN
        }
    }
}
