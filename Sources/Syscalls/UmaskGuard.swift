public import CKernel

/// Runs `body` with the thread's umask (umask(2)) set, when it is wanted: the host then takes it off the mode of what is
/// created, or applies a folder's default ACL in its place, as acl(5) has it.
///
/// The thread has to be an ``OSThread``, whose umask is its own and zero at all other times.
@inline(__always)
public func withUmask<Result, Failure: Error>(
    _ mask: mode_t, when isWanted: Bool, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    guard isWanted, mask & 0o777 != 0 else { return try body() }
    let before = umask(mask & 0o777)
    defer {
        let mine = umask(before)
        assert(mine == mask & 0o777, "somebody else changed this thread's umask")
    }
    return try body()
}
