public import Foundation
import SystemPackage
public import VirtioTestSupport

/// `virtiofs serve` in a process of its own, over a folder of its own, until it is ended. Its descriptors are nobody
/// else's, so they can be counted.
public final class ServeProcess: @unchecked Sendable {
    public let folder = TemporaryFolder()
    public let socketPath: String
    private let place = TemporaryFolder()
    private let process = Process()

    /// - Parameter options: beside the share and the socket's path.
    public init(_ options: String...) throws {
        socketPath = place.path.appending("socket").string
        process.executableURL = Self.command
        process.arguments = ["serve", folder.path.string, "--socket-path", socketPath] + options
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        _ = FileManager.default.createFile(atPath: logPath, contents: nil)
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: logPath))
        try process.run()
        guard Self.wait(seconds: 10, until: { FileManager.default.fileExists(atPath: self.socketPath) }) else {
            throw CocoaError(.fileNoSuchFile)
        }
    }

    deinit {
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Where the command under test is: beside the test bundle.
    public static var command: URL {
        URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("virtiofs")
    }

    private var logPath: String { place.path.appending("log").string }

    /// What it has said on standard error.
    public var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    public var isRunning: Bool { process.isRunning }

    /// Its open descriptors.
    public var descriptorCount: Int {
        let folder = "/proc/\(process.processIdentifier)/fd"
        return (try? FileManager.default.contentsOfDirectory(atPath: folder).count) ?? 0
    }

    /// Its threads.
    public var threadCount: Int {
        let folder = "/proc/\(process.processIdentifier)/task"
        return (try? FileManager.default.contentsOfDirectory(atPath: folder).count) ?? 0
    }

    /// Waits until it has `count` descriptors again; how many it has then.
    public func descriptorCount(settlingAt count: Int) -> Int {
        _ = Self.wait(seconds: 10) { self.descriptorCount == count }
        return descriptorCount
    }

    /// Ends it as its user would; its exit status.
    public func terminate() -> Int32 {
        process.terminate()
        guard Self.wait(seconds: 20, until: { !self.process.isRunning }) else { return -1 }
        return process.terminationStatus
    }

    /// Looks until something is so, or the time is up; whether it is.
    public static func wait(seconds: Double, until condition: () -> Bool) -> Bool {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while !condition() {
            guard Date() < deadline else { return false }
            usleep(5000)
        }
        return true
    }
}
