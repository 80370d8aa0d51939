public import SystemPackage

import CKernel
import Glibc

/// The error that the last failing call of this thread left in `errno`.
@usableFromInline
func lastErrno() -> Errno { Errno(rawValue: errno) }

/// Throws `errno` when `result` is negative, as every system call reports failure.
@discardableResult
func check<Number: SignedInteger>(_ result: Number) throws(Errno) -> Number {
    guard result >= 0 else { throw lastErrno() }
    return result
}

/// Repeats a call that a signal interrupted before it did anything (EINTR).
@discardableResult
func checkRetrying<Number: SignedInteger>(_ call: () -> Number) throws(Errno) -> Number {
    while true {
        let result = call()
        if result >= 0 { return result }
        if errno != EINTR { throw lastErrno() }
    }
}
