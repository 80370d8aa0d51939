public import SystemPackage

import CKernel

extension FileDescriptor {
    /// Bytes in the file, asked in the cheapest way there is; the file position moves to its end. The corresponding call
    /// is lseek(2) with `SEEK_END`.
    public func sizeBySeeking() throws(Errno) -> Int { try check(lseek64(rawValue, 0, SEEK_END)) }

    /// Whether what this descriptor names exists at all. The corresponding call is faccessat(2) with `F_OK` and
    /// `AT_EMPTY_PATH`.
    public func checkExistence() throws(Errno) { try check(faccessat(rawValue, "", F_OK, AT_EMPTY_PATH)) }
}

extension FileDescriptor {
    /// Bytes in the file. The corresponding call is fstat(2).
    public func fileSize() throws(Errno) -> Int {
        var status = CKernel.stat()
        try check(CKernel.fstat(rawValue, &status))
        return Int(status.st_size)
    }
}
