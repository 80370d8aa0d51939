import CKernel
import Glibc
import Sandbox
import Syscalls
import SystemPackage

/// What there is outside, as an attacker may know it.
struct Outside {
    /// A file, by its absolute path.
    let path: String
    let process: pid_t
    /// The file's handle, where it has one.
    let handle: UnsafeMutableRawPointer?
    /// A port of this machine where somebody listens; somebody else listens at the abstract address "probe-PORT".
    let port: UInt16
    /// The share's path, as the process sees it, with a slash behind it.
    let share: String

    init(_ settings: Settings) {
        path = settings.outside
        process = settings.process
        port = settings.port
        share = settings.sandbox.mode == .none ? settings.share + "/" : "/"
        do throws(Errno) {
            let file = OwnedDescriptor(owning: try FileDescriptor.workingFolder.openAt(path, flags: O_PATH))
            handle = try HostFileHandle(of: file.descriptor).copy()
        } catch {
            handle = nil
        }
    }

    var loopback: sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    var abstract: sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { path in
            for (index, byte) in "probe-\(port)".utf8.enumerated() { path[index + 1] = byte }
        }
        return address
    }
}
