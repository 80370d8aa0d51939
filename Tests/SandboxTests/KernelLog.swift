import Glibc
import Syscalls
import SystemPackage

/// What the kernel logs from now on (/dev/kmsg, in the form of Documentation/ABI/testing/dev-kmsg).
final class KernelLog {
    private let file: OwnedDescriptor

    init() throws {
        file = OwnedDescriptor(
            owning: try FileDescriptor.workingFolder.openAt("/dev/kmsg", flags: O_RDONLY | O_NONBLOCK))
        try file.descriptor.seek(offset: 0, from: .end)
    }

    /// The records that have come since the last look.
    func news() -> [String] {
        var records: [String] = []
        var bytes = [UInt8](repeating: 0, count: 8192)
        while true {
            let count = read(file.rawValue, &bytes, bytes.count)
            // Records that were overwritten before they were read: EPIPE, once.
            guard count > 0 || errno == EPIPE else { return records }
            if count > 0 { records.append(String(decoding: bytes.prefix(count), as: UTF8.self)) }
        }
    }
}
