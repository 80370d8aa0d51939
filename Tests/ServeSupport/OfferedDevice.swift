import Foundation
import Glibc
import ProcessSupport
import SystemPackage
import VirtioTestSupport

/// A device that another process offers, over a folder of its own, until it is ended: ours or somebody else's.
public final class OfferedDevice {
    public enum Maker: String, CaseIterable, Sendable {
        case serve
        case qemu = "/usr/lib/qemu/virtiofsd"

        /// Those that are installed.
        public static let present = allCases.filter { $0 == .serve || access($0.rawValue, X_OK) == 0 }
    }

    public let share: String
    public let socketPath: String
    private let folder = TemporaryFolder()
    private let process: Process

    private enum Process {
        case ours(ServeProcess)
        case foreign(Child)
    }

    /// - Parameter options: of the maker's own.
    public init(by maker: Maker, _ options: [String] = []) throws {
        guard maker == .qemu else {
            let serve = try ServeProcess(options: options)
            (share, socketPath, process) = (serve.folder.path.string, serve.socketPath, .ours(serve))
            return
        }
        try folder.addFolder("share")
        let share = folder.path.appending("share").string
        let socket = folder.path.appending("socket").string
        let confined = ["-o", "source=\(share)", "-o", "sandbox=chroot", "-o", "xattr"]
        let child = try Child(maker.rawValue, ["--socket-path=\(socket)"] + confined + options)
        (self.share, socketPath, process) = (share, socket, .foreign(child))
        guard ServeProcess.wait(seconds: 10, until: { Self.listens(at: socket) }) else {
            throw CommandError(description: "\(maker.rawValue) does not come up: \(child.outcome(seconds: 0))")
        }
    }

    /// Whether somebody listens at a socket's path: between bind(2) and listen(2) it is there, and refuses connections. To try
    /// one would be to take the only one that QEMU's virtiofsd accepts.
    private static func listens(at path: String) -> Bool {
        let table = (try? String(contentsOfFile: "/proc/net/unix", encoding: .utf8)) ?? ""
        return table.split(separator: "\n").contains { line in
            let fields = line.split(separator: " ")
            // __SO_ACCEPTCON (include/uapi/linux/net.h).
            return fields.last == Substring(path) && fields.count > 3 && fields[3] == "00010000"
        }
    }

    deinit { end() }

    /// Ends it as a crash would.
    public func end() {
        switch process {
        case .ours(let serve): serve.kill()
        case .foreign(let child):
            guard child.isRunning else { return }
            child.signal(SIGKILL)
            _ = child.outcome()
        }
    }

    /// Whether it lives.
    public var isRunning: Bool {
        switch process {
        case .ours(let serve): serve.isRunning
        case .foreign(let child): child.isRunning
        }
    }
}
