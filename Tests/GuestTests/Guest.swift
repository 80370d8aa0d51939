import CKernel
import Foundation
import ServeSupport
import SystemPackage
import Testing
import VirtioTestSupport

/// A virtual machine with Linux's own virtiofs driver in it, in front of a `virtiofs serve`: QEMU in software emulation,
/// so that it runs everywhere, with nothing but a kernel, busybox and a script.
final class Guest {
    struct Outcome {
        /// The script's exit status; nothing where the guest did not get that far.
        var status: Int?
        /// Whether the driver accepted a feature bit.
        var accepted: (Int) -> Bool
        var console: String
    }

    private let place = TemporaryFolder()
    private let pid: pid_t
    private var hasEnded = false

    /// Boots; returns at once.
    init(_ serve: ServeProcess, packed: Bool = false, mountOptions: String = "", script: String) throws {
        let kernel = try #require(Self.kernel)
        let initramfs = place.path.appending("initramfs").string
        try place.add("script", Array(script.utf8))
        let maker = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Guest/make-initramfs")
        let version = String(kernel.dropFirst("/boot/vmlinuz-".count))
        setenv("MOUNT_OPTIONS", mountOptions, 1)
        let builder = try Self.spawn(
            [maker.path, version, place.path.appending("script").string, initramfs],
            console: place.path.appending("make.log").string)
        var status: Int32 = 0
        waitpid(builder, &status, 0)
        try #require(status == 0, "the initramfs can't be made")
        pid = try Self.spawn(
            Self.machine(serve, kernel: kernel, initramfs: initramfs, packed: packed),
            console: place.path.appending("console").string)
    }

    deinit { kill() }

    /// Whether this machine has what a guest needs.
    static var isAvailable: Bool {
        let tools = ["/usr/bin/qemu-system-x86_64", "/usr/bin/cpio", "/sbin/modprobe"]
        return kernel != nil && tools.allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }
            && ["/bin/busybox", "/usr/bin/busybox"].contains { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// The newest of Debian's cloud kernels.
    private static var kernel: String? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/boot")) ?? []
        return names.filter { $0.hasPrefix("vmlinuz-") && $0.hasSuffix("-cloud-amd64") }
            .max { $0.compare($1, options: .numeric) == .orderedAscending }.map { "/boot/" + $0 }
    }

    /// 16-byte compare and exchange is off, as QEMU 7.2 emulates it wrongly and newer kernels trip over it.
    private static func machine(
        _ serve: ServeProcess, kernel: String, initramfs: String, packed: Bool
    ) -> [String] {
        [
            "/usr/bin/qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max,-cx16", "-smp", "2", "-m", "256",
            "-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none", "-serial", "stdio",
            "-object", "memory-backend-memfd,id=mem,size=256M,share=on", "-numa", "node,memdev=mem",
            "-chardev", "socket,id=fs,path=\(serve.socketPath)",
            "-device", "vhost-user-fs-pci,chardev=fs,tag=myfs,queue-size=128,packed=\(packed ? "on" : "off")",
            "-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyS0 panic=-1 loglevel=4",
        ]
    }

    private static func spawn(_ arguments: [String], console: String) throws -> pid_t {
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { pointers.forEach { free($0) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, console, O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        var child: pid_t = 0
        let error = posix_spawn(&child, arguments[0], &actions, nil, &pointers, ck_environ())
        try #require(error == 0, "can't start \(arguments[0])")
        return child
    }

    /// What the guest has said so far.
    var console: String {
        let url = URL(fileURLWithPath: place.path.appending("console").string)
        let bytes = (try? Data(contentsOf: url)) ?? Data()
        return String(decoding: bytes, as: UTF8.self).replacingOccurrences(of: "\r", with: "")
    }

    /// Waits until the guest says `text` at the start of a line; whether it does.
    func says(_ text: String, seconds: Double = 60) -> Bool {
        ServeProcess.wait(seconds: seconds, pause: 50_000) { console.contains("\n\(text)") }
    }

    /// Waits until the guest has switched itself off.
    func finish(seconds: Double = 60) -> Outcome {
        let ended = ServeProcess.wait(seconds: seconds, pause: 20_000) { waitpid(pid, nil, WNOHANG) == pid }
        if ended { hasEnded = true } else { kill() }
        let text = console
        let bits = Array(Self.word(after: "guest: features ", in: text) ?? "")
        return Outcome(
            status: Self.word(after: "guest: exit ", in: text).flatMap { Int($0) },
            accepted: { bits.indices.contains($0) && bits[$0] == "1" }, console: text)
    }

    private static func word(after mark: String, in text: String) -> Substring? {
        text.range(of: mark).map { text[$0.upperBound...].prefix { !$0.isWhitespace } }
    }

    /// Pulls the plug.
    func kill() {
        guard !hasEnded else { return }
        hasEnded = true
        Foundation.kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}
