import CKernel
import Glibc
import SystemPackage

/// Throws `errno` when a system call says that it failed. One that a signal interrupted before it did anything is not
/// repeated: no signal comes unless a case wants it.
@discardableResult
func call<Number: SignedInteger>(_ result: @autoclosure () -> Number) throws(Errno) -> Number {
    let result = result()
    guard result >= 0 else { throw Errno(rawValue: errno) }
    return result
}

/// Opens a file below a folder and closes it again.
func openAndClose(_ folder: Int32, _ path: Path, _ flags: Int32, _ mode: mode_t = 0o644) throws(Errno) {
    let file = try path.withPointer { path throws(Errno) in try call(ck_openat(folder, path, flags, mode)) }
    try call(close(file))
}

/// statx(2) into what is to be filled: the call has the name of its structure.
func readStatus(
    _ folder: Int32, _ path: Path, _ flags: Int32, _ mask: UInt32 = UInt32(STATX_BASIC_STATS)
) throws(Errno) -> statx {
    try path.withPointer { path throws(Errno) in
        var status = statx()
        let result = statx(folder, path, flags, mask, &status)
        try call(result)
        return status
    }
}
