public import SystemPackage

import CKernel

/// Calls on Unix stream sockets (unix(7)). Each throws the `errno` of its man page.
extension FileDescriptor {
    /// A socket that listens at `path`, which must not exist: bind(2) and listen(2).
    ///
    /// The file appears when the socket listens already, by a rename (renameat2(2), `RENAME_NOREPLACE`): who waits for it
    /// can connect at once. Throws EADDRINUSE where something is there.
    ///
    /// - Parameter mode: permissions of the socket's file.
    public static func listening(at path: FilePath, mode: UInt32) throws(Errno) -> OwnedDescriptor {
        let listener = try unixSocket()
        let early = FilePath(path.string + ".new")
        _ = early.withPlatformString { unlink($0) }
        try check(early.withPlatformString { ck_bind_unix(listener.rawValue, $0) })
        do throws(Errno) {
            try check(early.withPlatformString { chmod($0, mode_t(mode)) })
            try check(listen(listener.rawValue, 8))
            try rename(early, to: path)
        } catch {
            _ = early.withPlatformString { unlink($0) }
            throw error == .fileExists ? .addressInUse : error
        }
        return listener
    }

    private static func rename(_ old: FilePath, to new: FilePath) throws(Errno) {
        try check(
            old.withPlatformString { oldPath in
                new.withPlatformString { renameat2(AT_FDCWD, oldPath, AT_FDCWD, $0, UInt32(RENAME_NOREPLACE)) }
            })
    }

    /// A socket connected to who listens at `path`: connect(2).
    public static func connected(to path: FilePath) throws(Errno) -> OwnedDescriptor {
        let socket = try unixSocket()
        try checkRetrying { path.withPlatformString { ck_connect_unix(socket.rawValue, $0) } }
        return socket
    }

    /// Two stream sockets that are connected to each other, and the caller's to close: socketpair(2).
    public static func socketPair() throws(Errno) -> (FileDescriptor, FileDescriptor) {
        var raw: [Int32] = [-1, -1]
        try check(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &raw))
        return (FileDescriptor(rawValue: raw[0]), FileDescriptor(rawValue: raw[1]))
    }

    /// The corresponding call is accept4(2).
    public func acceptConnection() throws(Errno) -> OwnedDescriptor {
        let raw = try checkRetrying { ck_accept(rawValue) }
        return OwnedDescriptor(owning: FileDescriptor(rawValue: raw))
    }

    /// Ends a connection for both sides, whoever else holds the descriptor (shutdown(2)).
    public func shutDown() { _ = CKernel.shutdown(rawValue, Int32(SHUT_RDWR)) }

    /// Whether this is a socket that listens; nothing where it is no socket (getsockopt(2), SO_ACCEPTCONN).
    public var isListening: Bool? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(rawValue, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 else { return nil }
        return value != 0
    }

    /// Takes what has arrived, without waiting: recvmsg(2) with MSG_DONTWAIT. Zero bytes mean that the peer has closed.
    ///
    /// - Parameters:
    ///   - buffer: filled from `start` on.
    ///   - descriptors: takes over those that came along.
    /// - Throws: EMFILE too where descriptors were lost, for which this process had no room.
    public func receive(
        into buffer: inout [UInt8], from start: Int, descriptors: DescriptorList
    ) throws(Errno) -> Int {
        var raw = [Int32](repeating: -1, count: Int(CK_MOST_DESCRIPTORS))
        var count: Int32 = 0
        var truncated: Int32 = 0
        let received = try checkRetrying {
            buffer.withUnsafeMutableBytes {
                ck_receive(rawValue, $0.baseAddress! + start, $0.count - start, &raw, &count, &truncated)
            }
        }
        for descriptor in raw.prefix(Int(count)) { descriptors.append(FileDescriptor(rawValue: descriptor)) }
        if truncated != 0 { throw .tooManyOpenFiles }
        return received
    }

    /// Sends `bytes` from `start` on without waiting: sendmsg(2) with MSG_DONTWAIT. The descriptors travel with the first
    /// byte.
    public func send(
        _ bytes: [UInt8], from start: Int = 0, descriptors: [FileDescriptor] = []
    ) throws(Errno) -> Int {
        precondition(descriptors.count <= Int(CK_MOST_DESCRIPTORS))
        let raw = descriptors.map(\.rawValue)
        return try checkRetrying {
            bytes.withUnsafeBytes {
                ck_send(rawValue, $0.baseAddress! + start, $0.count - start, raw, Int32(raw.count))
            }
        }
    }

    private static func unixSocket() throws(Errno) -> OwnedDescriptor {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        return OwnedDescriptor(owning: FileDescriptor(rawValue: try check(socket(AF_UNIX, kind, 0))))
    }
}
