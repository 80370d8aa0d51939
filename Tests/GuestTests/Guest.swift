import Foundation
import ProcessSupport
import ServeSupport
import Syscalls
import SystemPackage
import Testing
import VirtioTestSupport

/// A virtual machine with Linux's own virtiofs driver in it, in front of a `virtiofs serve`: QEMU in software emulation,
/// so that it runs everywhere, with nothing but a kernel, busybox and a script.
///
/// It doesn't outlive the test: QEMU is killed when the test's process ends, however it ends.
final class Guest {
    struct Outcome {
        /// The script's exit status; nothing where the guest did not get that far.
        var status: Int?
        /// Whether the driver accepted a feature bit.
        var accepted: (Int) -> Bool
        var console: String
    }

    private let machine: GuestMachine
    private let place = TemporaryFolder()
    private var pid: pid_t = 0
    private var hasEnded = true

    /// Boots; returns when the guest's init runs.
    ///
    /// Now and then, in one of some hundred boots, QEMU 7.2 hangs long before that, with its processors busy, when Linux knows
    /// nothing of the device yet (its drivers are modules): such a guest is started anew, which the test's output says.
    init(_ serve: ServeProcess, _ machine: GuestMachine = GuestMachine(), script: String = "") throws {
        self.machine = machine
        let kernel = try #require(machine.kernel, "there is no such kernel for guests")
        let initramfs = place.path.appending("initramfs").string
        try place.add("script", Array(script.utf8))
        let maker = try Child(
            Self.resource("make-initramfs"), [initramfs, place.path.appending("script").string] + machine.files,
            environment: Self.settings(machine, kernel: kernel)
        ).outcome()
        try #require(maker.status == 0, "\(maker.errors)")
        let command = machine.command(kernel: kernel, initramfs: initramfs, socketPath: serve.socketPath)
        for _ in 0..<Self.boots {
            try start([find("qemu-system-x86_64")] + command)
            if isUp() { return }
            let said = "a guest did not come up; it said: \(console); its device: \(serve.log)"
            // One that ended, or that waits for its device, is another matter.
            try #require(!hasEnded && processorSeconds > Self.patience / 2, "\(said)")
            kill()
            print(said)
        }
        Issue.record("no guest came up in \(Self.boots) attempts")
        throw CocoaError(.executableLoad)
    }

    /// Processor time of QEMU's so far (utime and stime of proc(5)).
    private var processorSeconds: Double {
        let fields = ((try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? "").split(separator: " ")
        let ticks = fields.dropFirst(13).prefix(2).compactMap { Double($0) }.reduce(0, +)
        return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// How often it may be tried.
    private static let boots = 3
    /// How long a guest may take until its init runs, in seconds: ten times as long as on a busy machine.
    private static let patience = 80.0

    private func start(_ command: [String]) throws {
        let console = OwnedDescriptor(
            owning: try FileDescriptor.open(
                place.path.appending("console"), .writeOnly, options: [.create, .truncate, .closeOnExec],
                permissions: .ownerReadWrite))
        pid = try spawnBound(command, output: console.descriptor, errors: console.descriptor)
        hasEnded = false
    }

    private func isUp() -> Bool {
        let mark = "guest: up"
        return ServeProcess.wait(seconds: Self.patience, pause: 20_000) { console.contains(mark) || reap() }
            && console.contains(mark)
    }

    deinit { kill() }

    private static func settings(_ machine: GuestMachine, kernel: GuestKernel) -> [String: String] {
        [
            "KERNEL_ROOT": kernel.root, "KERNEL_VERSION": kernel.version, "START": machine.start.rawValue,
            "MOUNT_OPTIONS": machine.mountOptions, "LIMIT": "\(machine.limit)",
        ]
    }

    /// A file of the folder Guest/ beside this one.
    static func resource(_ name: String) -> String {
        FilePath(#filePath).removingLastComponent().appending("Guest").appending(name).string
    }

    /// What the guest has said so far.
    var console: String {
        let bytes = (try? Data(contentsOf: URL(fileURLWithPath: place.path.appending("console").string))) ?? Data()
        return String(decoding: bytes, as: UTF8.self).replacingOccurrences(of: "\r", with: "")
    }

    /// Waits until the guest says `text` at the start of a line; whether it does.
    func says(_ text: String) -> Bool {
        ServeProcess.wait(seconds: Double(machine.limit), pause: 50_000) {
            console.contains("\n\(text)") || reap()
        } && console.contains("\n\(text)")
    }

    /// Waits until the guest has switched itself off.
    func finish() -> Outcome {
        // A guest that hangs so much that it can't even end itself is given a little longer than it gives itself.
        if !ServeProcess.wait(seconds: Double(machine.limit) + 20, pause: 20_000, until: reap) { kill() }
        let text = console
        let bits = Array(Self.word(after: "guest: features ", in: text) ?? "")
        return Outcome(
            status: Self.word(after: "guest: exit ", in: text).flatMap { Int($0) },
            accepted: { bits.indices.contains($0) && bits[$0] == "1" }, console: text)
    }

    /// The last word that the guest said behind a mark.
    static func word(after mark: String, in text: String) -> Substring? {
        text.ranges(of: mark).last.map { text[$0.upperBound...].prefix { !$0.isWhitespace } }
    }

    /// Whether it has ended.
    private func reap() -> Bool {
        if !hasEnded, waitpid(pid, nil, WNOHANG) == pid { hasEnded = true }
        return hasEnded
    }

    /// Pulls the plug.
    func kill() {
        guard !hasEnded else { return }
        hasEnded = true
        Foundation.kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}
