import CFuse3
import CKernel
import Glibc
import Syscalls
import SystemPackage

/// A libfuse low-level session, for what libfuse does here: it knows the options, opens /dev/fuse, mounts (through
/// fusermount3 for an ordinary user) and unmounts.
///
/// Requests do not go through its decoder. They are forwarded as they are, as Linux's own virtio-fs driver does: the
/// bytes on a virtqueue are those on /dev/fuse (fs.req.driver-layout). libfuse 3.14 would drop what it does not know
/// (opcodes 50 to 52, kill flags), allocate for each request, and take a lock.
final class LibfuseSession: @unchecked Sendable {
    private let session: OpaquePointer
    private let options: [String]
    private var isMounted = false

    /// - Parameter options: as they follow `-o`.
    init(options: [String]) throws(MountError) {
        self.options = options
        LibfuseLog.install()
        var words = ["virtiofs"]
        for option in options { words += ["-o", option] }
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { pointers.forEach { free($0) } }
        var operations = fuse_lowlevel_ops()
        let made = pointers.withUnsafeMutableBufferPointer { buffer -> OpaquePointer? in
            var arguments = fuse_args(argc: Int32(words.count), argv: buffer.baseAddress, allocated: 0)
            defer { fuse_opt_free_args(&arguments) }
            return fuse_session_new(&arguments, &operations, MemoryLayout<fuse_lowlevel_ops>.size, nil)
        }
        guard let made else {
            throw MountError(LibfuseLog.takeMessage() ?? "libfuse refused the mount options")
        }
        session = made
    }

    deinit {
        unmount()
        fuse_session_destroy(session)
    }

    /// Mounts; the new connection, on a descriptor of /dev/fuse apart from libfuse's own.
    func mount(at mountPoint: String) throws(MountError) -> KernelConnection {
        var status: Int32 = -1
        let said = CapturedErrors.during { status = fuse_session_mount(session, mountPoint) }
        guard status == 0 else { throw MountError(whyNot(said, mountPoint)) }
        isMounted = true
        _ = write(STDERR_FILENO, said, said.utf8.count)
        do throws(Errno) {
            return KernelConnection(
                try FileDescriptor(rawValue: fuse_session_fd(session)).duplicateClosingOnExec())
        } catch {
            throw MountError("can't use /dev/fuse", error)
        }
    }

    /// - Parameter said: what fusermount3 has complained of; it knows better than libfuse, which only sees it fail.
    private func whyNot(_ said: String, _ mountPoint: String) -> String {
        let message = LibfuseLog.takeMessage() ?? "there is no reason given"
        if let line = said.split(separator: "\n").first {
            let advice = line.contains("failed to exec") ? " (install the package fuse3)" : ""
            return "can't mount on \(mountPoint): \(line)\(advice)"
        }
        return "the kernel refuses to mount on \(mountPoint) with '\(options.joined(separator: ","))': \(message)"
    }

    /// Unmounts, lazily if the mount is in use. Does nothing when it was unmounted from outside.
    func unmount() {
        guard isMounted else { return }
        isMounted = false
        fuse_session_unmount(session)
    }
}
