import CKernel
public import SystemPackage

/// Extended attributes (xattr(7)) of what a path below a folder's descriptor means, following symbolic links. Linux has
/// these calls since 6.13; before, they throw ENOSYS.
extension FileDescriptor {
    /// The corresponding call is setxattrat(2).
    public func setAttributeAt(
        _ path: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>, _ value: UnsafeRawBufferPointer, flags: Int32
    ) throws(Errno) {
        try check(ck_setxattrat(rawValue, path, name, value.baseAddress, value.count, flags))
    }

    /// The corresponding call is getxattrat(2): bytes of `buffer` filled, or needed if it is empty.
    public func attributeAt(
        _ path: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        try check(ck_getxattrat(rawValue, path, name, buffer.baseAddress, buffer.count))
    }

    /// The corresponding call is listxattrat(2).
    public func attributeNamesAt(
        _ path: UnsafePointer<CChar>, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        try check(ck_listxattrat(rawValue, path, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count))
    }

    /// The corresponding call is removexattrat(2).
    public func removeAttributeAt(_ path: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>) throws(Errno) {
        try check(ck_removexattrat(rawValue, path, name))
    }
}

/// Extended attributes by an absolute path, for where there are no calls that take a descriptor and a path.
public enum PathAttributes {
    /// The corresponding call is setxattr(2).
    public static func set(
        _ path: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>, _ value: UnsafeRawBufferPointer, flags: Int32
    ) throws(Errno) {
        try check(setxattr(path, name, value.baseAddress, value.count, flags))
    }

    /// The corresponding call is getxattr(2).
    public static func get(
        _ path: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        try check(getxattr(path, name, buffer.baseAddress, buffer.count))
    }

    /// The corresponding call is listxattr(2).
    public static func names(
        _ path: UnsafePointer<CChar>, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        try check(listxattr(path, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count))
    }

    /// The corresponding call is removexattr(2).
    public static func remove(_ path: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>) throws(Errno) {
        try check(removexattr(path, name))
    }
}
