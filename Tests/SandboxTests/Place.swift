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

    /// The program that makes the attempts.
    static let probe: String = {
        let programs = commandPath.split(separator: "/").dropLast().joined(separator: "/")
        return "/\(programs)/SandboxProbe"
    }()

    /// - Parameters:
    ///   - form: mode, filter and user.
    ///   - capability: what the process lacks from the start, as setpriv(1) names it.
    func outcome(of attempt: String, in form: String, without capability: String? = nil) throws -> Outcome {
        let words = [
            Self.probe, form, attempt, folder.path.appending("share").string, String(process.pid),
            folder.path.appending("secret").string, String(port),
        ]
        let beginning = capability.map { ["--inh-caps", "-\($0)", "--bounding-set", "-\($0)"] } ?? []
        return try Child(find("setpriv"), beginning + words).outcome()
    }

    func fate(of attempt: String, in form: String, without capability: String? = nil) throws -> Fate {
        let outcome = try outcome(of: attempt, in: form, without: capability)
        switch outcome.status {
        case 0: return .closed
        case 3: return .open
        case 1 where outcome.errors.contains("a system call that the filter refuses"): return .killed
        default: throw Unclear(attempt: attempt, form: form, outcome: outcome)
        }
    }
}

/// A socket that listens, or takes datagrams, until this goes.
final class OwnedSocket {
    private let descriptor: OwnedDescriptor

    init(_ family: Int32, kind: __socket_type = SOCK_STREAM) {
        let kind = Int32(kind.rawValue | SOCK_CLOEXEC.rawValue)
        descriptor = OwnedDescriptor(owning: FileDescriptor(rawValue: socket(family, kind, 0)))
    }

    /// Makes a socket's file, to which datagrams can be sent.
    func bind(at path: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        bind(to: &address)
    }

    /// The datagrams that are there.
    func messages() -> [String] {
        var messages: [String] = []
        var bytes = [UInt8](repeating: 0, count: 8192)
        while true {
            let count = recv(descriptor.rawValue, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            guard count >= 0 else { return messages }
            messages.append(String(decoding: bytes.prefix(count), as: UTF8.self))
        }
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
        bind(to: &address)
        precondition(Glibc.listen(descriptor.rawValue, 64) == 0)
    }

    /// - Parameter address: afterwards as the kernel has completed it.
    private func bind<Address>(to address: inout Address) {
        var size = socklen_t(MemoryLayout<Address>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(Glibc.bind(descriptor.rawValue, $0, size) == 0)
                precondition(getsockname(descriptor.rawValue, $0, &size) == 0)
            }
        }
    }
}
