import CKernel
import FUSEWire
import Glibc
import Syscalls
import SystemPackage
import VirtioFSDriver

/// The kernel's end of the mount: /dev/fuse, from which requests are read and to which replies are written.
final class KernelConnection: Sendable {
    private let device: OwnedDescriptor

    init(_ device: consuming OwnedDescriptor) { self.device = device }

    enum Received {
        case request(length: Int)
        /// Nothing this time: the request was withdrawn, or the thread was interrupted.
        case nothing
        /// The file system has been unmounted.
        case unmounted
        case failed(Errno)
    }

    /// Waits for the next request: its first bytes go to `head`, what is behind to `rest`.
    func receive(head: UnsafeMutableRawBufferPointer, rest: UnsafeMutableRawBufferPointer) -> Received {
        let segments = (
            iovec(iov_base: head.baseAddress, iov_len: head.count),
            iovec(iov_base: rest.baseAddress, iov_len: rest.count)
        )
        let count = withUnsafePointer(to: segments) { pair in
            pair.withMemoryRebound(to: iovec.self, capacity: 2) { readv(device.rawValue, $0, 2) }
        }
        if count >= MemoryLayout<fuse_in_header>.size { return .request(length: count) }
        guard count < 0 else { return .failed(.ioError) }
        switch errno {
        case EINTR, EAGAIN, ENOENT: return .nothing
        case ENODEV: return .unmounted
        default: return .failed(Errno(rawValue: errno))
        }
    }

    /// Answers a request. ENOENT means that the kernel no longer wants the answer.
    @discardableResult
    func answer(_ id: RequestID, error: Errno?, payload: UnsafeRawBufferPointer) -> Errno? {
        let size = MemoryLayout<fuse_out_header>.size
        let header = fuse_out_header(
            len: UInt32(size + payload.count), error: -(error?.rawValue ?? 0), unique: id.rawValue)
        let count = withUnsafeBytes(of: header) { bytes in
            let segments = (
                iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress!), iov_len: size),
                iovec(iov_base: UnsafeMutableRawPointer(mutating: payload.baseAddress), iov_len: payload.count)
            )
            return withUnsafePointer(to: segments) { pair in
                pair.withMemoryRebound(to: iovec.self, capacity: 2) {
                    writev(device.rawValue, $0, payload.isEmpty ? 1 : 2)
                }
            }
        }
        return count < 0 ? Errno(rawValue: errno) : nil
    }

    /// Whether a request waits for a reader.
    var hasRequest: Bool {
        var poll = pollfd(fd: device.rawValue, events: Int16(POLLIN), revents: 0)
        return CKernel.poll(&poll, 1, 0) > 0 && poll.revents & Int16(POLLIN) != 0
    }
}
