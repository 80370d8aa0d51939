import CKernel
import SystemPackage

/// Locks of an open file, as fcntl(2) and flock(2) have them.
extension File {
    enum LockKind {
        /// Of the process: `F_SETLK` and its relatives.
        case process
        /// Of the open file: `F_OFD_SETLK` and its relatives.
        case openFile

        var set: Int32 { self == .process ? F_SETLK : F_OFD_SETLK }
        var setWaiting: Int32 { self == .process ? F_SETLKW : F_OFD_SETLKW }
        var get: Int32 { self == .process ? F_GETLK : F_OFD_GETLK }
    }

    /// - Parameters:
    ///   - type: `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
    ///   - count: bytes; zero for all from `start` on.
    func lock(
        _ kind: LockKind, _ type: Int32, _ start: Int = 0, _ count: Int = 0, waiting: Bool = false
    ) throws(Errno) {
        var range = flock(
            l_type: Int16(type), l_whence: Int16(SEEK_SET), l_start: start, l_len: count, l_pid: 0)
        try call(ck_fcntl_flock(number, waiting ? kind.setWaiting : kind.set, &range))
    }

    /// What stands in the way of a lock: `l_type` is `F_UNLCK` if nothing does.
    func lockInTheWay(_ kind: LockKind, _ type: Int32, _ start: Int = 0, _ count: Int = 0) throws(Errno) -> flock {
        var range = flock(
            l_type: Int16(type), l_whence: Int16(SEEK_SET), l_start: start, l_len: count, l_pid: 0)
        try call(ck_fcntl_flock(number, kind.get, &range))
        return range
    }

    /// The corresponding call is flock(2).
    func lockWhole(_ operation: Int32) throws(Errno) { try call(ck_flock(number, operation)) }
}
