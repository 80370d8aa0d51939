import CKernel
import Glibc
import ProcessSupport
import Syscalls
import SystemPackage
import VirtioTestSupport

/// What became of an attempt.
enum Fate: String { case closed, open, killed }

/// The attempt could not be made.
struct Unclear: Error {
    let attempt: String
    let form: String
    let outcome: Outcome
}

/// A share with a program in it, and beside it a file, a process and sockets that are none of a guest's business.
final class Place {
    private let folder = TemporaryFolder()
    private let process: Child
    private let listeners: [OwnedSocket]
    private let port: UInt16

    /// - Parameter user: to whom all of it belongs, "root" or "ordinary".
    init(user: String) throws {
        let id = user == "root" ? "0" : "65534"
        let share = folder.path.appending("share").string
        try folder.addFolder("share")
        try folder.add("secret", Array("secret".utf8))
        try succeed("cp", find("busybox"), share + "/program")
        try succeed("chmod", "755", folder.path.string, share + "/program")
        try succeed("chown", "-R", id, folder.path.string)
        // Without capabilities, so that whoever has some may trace it.
        let words = ["--reuid", id, "--clear-groups", "--inh-caps", "-all", "--bounding-set", "-all"]
        process = try Child(find("setpriv"), words + [find("sleep"), "100"])
        let network = OwnedSocket(AF_INET)
        port = network.listenOnLoopback()
        let abstract = OwnedSocket(AF_UNIX)
        abstract.listen(atAbstract: "probe-\(port)")
        listeners = [network, abstract]
    }

    deinit {
        process.signal(SIGKILL)
        _ = process.outcome()
    }

    /// - Parameter form: mode, filter and user.
    func outcome(of attempt: String, in form: String) throws -> Outcome {
        let programs = commandPath.split(separator: "/").dropLast().joined(separator: "/")
        let words = [
            form, attempt, folder.path.appending("share").string, String(process.pid),
            folder.path.appending("secret").string, String(port),
        ]
        return try Child("/\(programs)/SandboxProbe", words).outcome()
    }

    func fate(of attempt: String, in form: String) throws -> Fate {
        let outcome = try outcome(of: attempt, in: form)
        switch outcome.status {
        case 0: return .closed
        case 3: return .open
        case 1 where outcome.errors.contains("a system call that the filter refuses"): return .killed
        default: throw Unclear(attempt: attempt, form: form, outcome: outcome)
        }
    }
}

/// A socket that listens until this goes.
final class OwnedSocket {
    private let descriptor: OwnedDescriptor

    init(_ family: Int32) {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        descriptor = OwnedDescriptor(owning: FileDescriptor(rawValue: socket(family, kind, 0)))
    }

    /// The port that the kernel has chosen.
    func listenOnLoopback() -> UInt16 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        listen(at: &address)
        return UInt16(bigEndian: address.sin_port)
    }

    func listen(atAbstract name: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { path in
            for (index, byte) in name.utf8.enumerated() { path[index + 1] = byte }
        }
        listen(at: &address)
    }

    private func listen<Address>(at address: inout Address) {
        var size = socklen_t(MemoryLayout<Address>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(descriptor.rawValue, $0, size) == 0 && Glibc.listen(descriptor.rawValue, 64) == 0)
                precondition(getsockname(descriptor.rawValue, $0, &size) == 0)
            }
        }
    }
}
