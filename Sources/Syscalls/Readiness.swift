public import SystemPackage

import CKernel
import Glibc

/// Waiting for one of several descriptors (poll(2)).
public enum Readiness {
    /// Waits until one of `readable` can be read, or `writable` written, or its peer is gone.
    ///
    /// - Parameters:
    ///   - closing: a connection of which only the end matters.
    ///   - milliseconds: how long at most; nothing means for ever.
    /// - Returns: for each of `readable`, then for `writable` and `closing`, whether it is ready. All false after the
    ///   time is up.
    public static func wait(
        readable: [FileDescriptor], writable: FileDescriptor? = nil, closing: FileDescriptor? = nil,
        milliseconds: Int32? = nil
    ) -> [Bool] {
        var polled = readable.map { pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0) }
        if let writable { polled.append(pollfd(fd: writable.rawValue, events: Int16(POLLOUT), revents: 0)) }
        if let closing { polled.append(pollfd(fd: closing.rawValue, events: Int16(POLLRDHUP), revents: 0)) }
        let count = nfds_t(polled.count)
        while poll(&polled, count, milliseconds ?? -1) < 0 {
            guard errno == EINTR else { break }
        }
        return polled.map { $0.revents != 0 }
    }
}
