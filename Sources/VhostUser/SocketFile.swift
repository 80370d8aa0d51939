import Syscalls
public import SystemPackage

import CKernel
import Glibc

/// A listening socket and its file, which goes when this goes.
public struct SocketFile: ~Copyable {
    private let listener: OwnedDescriptor
    private let path: FilePath
    private let inode: ino_t
    private var isOurs = true

    /// Listens at `path`. A socket that nobody listens at any more, left by a process that was killed, is replaced.
    ///
    /// - Parameters:
    ///   - group: to whom the file belongs beside its owner; that group may then connect, too.
    /// - Throws: EADDRINUSE where somebody listens there, or the file is no socket.
    public init(path: FilePath, group: UInt32? = nil) throws(Errno) {
        try Self.removeStale(path)
        let listener = try FileDescriptor.listening(at: path, mode: group == nil ? 0o600 : 0o660)
        if let group, path.withPlatformString({ chown($0, uid_t.max, group) }) != 0 {
            let error = Errno(rawValue: errno)
            _ = path.withPlatformString { unlink($0) }
            throw error
        }
        self.listener = listener
        self.path = path
        inode = Self.inode(path) ?? 0
    }

    public var descriptor: FileDescriptor { listener.descriptor }

    /// Leaves it to another process, which has a copy of this, to remove the file.
    public mutating func leaveFile() { isOurs = false }

    /// Removes the file, if it is still there.
    public func remove() {
        // Somebody else may have put another file there.
        if Self.inode(path) == inode { _ = path.withPlatformString { unlink($0) } }
    }

    private static func inode(_ path: FilePath) -> ino_t? {
        var status = CKernel.stat()
        guard path.withPlatformString({ lstat($0, &status) }) == 0 else { return nil }
        return status.st_ino
    }

    private static func removeStale(_ path: FilePath) throws(Errno) {
        guard inode(path) != nil else { return }
        do throws(Errno) {
            _ = try FileDescriptor.connected(to: path)
        } catch {
            // Nobody listens, or it is no socket: then it stays, and bind(2) says so.
            if error == .connectionRefused && isSocket(path) { _ = path.withPlatformString { unlink($0) } }
        }
    }

    private static func isSocket(_ path: FilePath) -> Bool {
        var status = CKernel.stat()
        guard path.withPlatformString({ lstat($0, &status) }) == 0 else { return false }
        return status.st_mode & 0o170000 == 0o140000  // S_IFMT, S_IFSOCK
    }

    deinit {
        if isOurs { remove() }
    }
}
