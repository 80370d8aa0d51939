import CKernel
import Glibc
public import SystemPackage

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
        var watched = WatchedDescriptors(readable: readable, writable: writable, closing: closing)
        watched.wait(milliseconds: milliseconds)
        return watched.indices.map { watched.isReady($0) }
    }
}

/// Descriptors that are waited for again and again, without a list being made for each time.
public struct WatchedDescriptors {
    private var polled: [pollfd]

    /// In this order; see ``Readiness/wait(readable:writable:closing:milliseconds:)``.
    public init(readable: [FileDescriptor], writable: FileDescriptor? = nil, closing: FileDescriptor? = nil) {
        polled = readable.map { pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0) }
        if let writable { polled.append(pollfd(fd: writable.rawValue, events: Int16(POLLOUT), revents: 0)) }
        if let closing { polled.append(pollfd(fd: closing.rawValue, events: Int16(POLLRDHUP), revents: 0)) }
    }

    public var indices: Range<Int> { polled.indices }

    /// Waits until one is ready, or the time is up: then none is.
    public mutating func wait(milliseconds: Int32? = nil) {
        let count = nfds_t(polled.count)
        while poll(&polled, count, milliseconds ?? -1) < 0 {
            guard errno == EINTR else {
                for index in polled.indices { polled[index].revents = 0 }
                return
            }
        }
    }

    /// Whether one was ready when the last wait ended.
    public func isReady(_ index: Int) -> Bool { polled[index].revents != 0 }

    /// Waits for one no longer.
    public mutating func drop(_ index: Int) { polled[index] = pollfd(fd: -1, events: 0, revents: 0) }
}
