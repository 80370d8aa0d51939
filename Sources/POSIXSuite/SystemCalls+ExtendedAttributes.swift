import CKernel
public import SystemPackage

extension SystemCalls {
    /// A path for calls that take no folder: by way of /proc, so that nobody needs to be allowed to search the folders
    /// above.
    func reachable(_ path: Path) -> Path { Path("/proc/thread-self/fd/\(folder!)") / path }

    public func setxattr(_ path: Path, _ name: Path, _ value: [UInt8], _ flags: Int32) throws(Errno) {
        try reachable(path).withPointer { path throws(Errno) in
            try name.withPointer { name throws(Errno) in
                try call(lsetxattr(path, name, value, value.count, flags))
            }
        }
    }

    public func getxattr(_ path: Path, _ name: Path) throws(Errno) -> [UInt8] {
        var value = [UInt8](repeating: 0, count: 64 << 10)
        let count = try reachable(path).withPointer { path throws(Errno) in
            try name.withPointer { name throws(Errno) in try call(lgetxattr(path, name, &value, value.count)) }
        }
        return Array(value.prefix(count))
    }

    public func listxattr(_ path: Path) throws(Errno) -> [Path] {
        var names = [CChar](repeating: 0, count: 64 << 10)
        let count = try reachable(path).withPointer { path throws(Errno) in
            try call(llistxattr(path, &names, names.count))
        }
        return names.prefix(count).split(separator: 0).map { Path($0.map { UInt8(bitPattern: $0) }) }
    }

    public func removexattr(_ path: Path, _ name: Path) throws(Errno) {
        try reachable(path).withPointer { path throws(Errno) in
            try name.withPointer { name throws(Errno) in try call(lremovexattr(path, name)) }
        }
    }
}
