import Foundation
public import CKernel
import ProcessSupport
import Syscalls
import SystemPackage
public import VirtioTestSupport

/// `virtiofs serve` in a process of its own, over a folder of the test's, until it is ended, or the test's process ends.
/// Its descriptors are nobody else's, so they can be counted.
public final class ServeProcess: @unchecked Sendable {
    public let folder: TemporaryFolder
    public let socketPath: String
    private let place = TemporaryFolder()
    /// The process that was started, which is not confined.
    public let pid: pid_t
    /// The process that serves: the one that is confined, else ``pid`` itself.
    public let worker: pid_t
    /// The status of wait(2), once the process has ended and was reaped.
    private var status: Int32?

    /// - Parameters:
    ///   - path: where the socket is to be, if not at a place of the process's own.
    ///   - folder: the share.
    ///   - options: beside the share and the socket's path.
    public convenience init(
        at path: String? = nil, over folder: TemporaryFolder = TemporaryFolder(), _ options: String...
    ) throws {
        try self.init(at: path, over: folder, options: options)
    }

    /// The same, with the options in one list.
    public init(
        at path: String? = nil, over folder: TemporaryFolder = TemporaryFolder(), options: [String]
    ) throws {
        self.folder = folder
        socketPath = path ?? place.path.appending("socket").string
        let arguments = ["serve", folder.path.string, "--socket-path", socketPath] + options
        pid = try Self.start(arguments, in: place.path)
        // It says that it is up. The socket's file may have been there already, left by a process that was killed.
        let output = place.path.appending("output").string
        let isUp = Self.wait(seconds: 10) { Self.text(output).hasSuffix("\n") }
        worker = pid_t(Self.text("/proc/\(pid)/task/\(pid)/children").split(separator: " ").first ?? "") ?? pid
        guard isUp else { throw CocoaError(.fileNoSuchFile) }
    }

    deinit { kill() }

    /// Ends it as a crash would.
    public func kill() {
        guard isRunning else { return }
        let handle = pidfd_open(worker, 0)
        Foundation.kill(pid, SIGKILL)
        var found: Int32 = 0
        if waitpid(pid, &found, 0) == pid { status = found }
        // The one that is confined follows by itself.
        guard handle >= 0 else { return }
        let process = OwnedDescriptor(owning: FileDescriptor(rawValue: handle))
        _ = Readiness.wait(readable: [process.descriptor], milliseconds: 10_000)
    }

    /// Has the process that serves stand still, as one that hangs: it answers nothing any more. Whether it does.
    public func freeze() -> Bool {
        Foundation.kill(worker, SIGSTOP)
        return Self.wait(seconds: 10) {
            let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(worker)/task")) ?? []
            let states = tasks.map { Self.text("/proc/\(worker)/task/\($0)/status") }
            return !states.isEmpty && states.allSatisfy { $0.contains("State:\tT") }
        }
    }

    /// A file's text. What /proc gives comes in pieces, and one that is shorter than asked for is not the last.
    private static func text(_ path: String) -> String {
        guard let file = try? FileDescriptor.open(path, .readOnly) else { return "" }
        defer { try? file.close() }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while let count = try? piece.withUnsafeMutableBytes({ try file.read(into: $0) }), count > 0 {
            bytes += piece.prefix(count)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func start(_ arguments: [String], in place: FilePath) throws -> pid_t {
        let output = try writable(place.appending("output"))
        let log = try writable(place.appending("log"))
        return try spawnBound([commandPath] + arguments, output: output.descriptor, errors: log.descriptor)
    }

    private static func writable(_ path: FilePath) throws -> OwnedDescriptor {
        OwnedDescriptor(
            owning: try FileDescriptor.open(
                path, .writeOnly, options: [.create, .append, .closeOnExec], permissions: .ownerReadWrite))
    }

    private var logPath: String { place.path.appending("log").string }

    /// What it has said on standard error.
    public var log: String { Self.text(logPath) }

    public var isRunning: Bool {
        guard status == nil else { return false }
        var found: Int32 = 0
        if waitpid(pid, &found, WNOHANG) == pid { status = found }
        return status == nil
    }

    /// Its open descriptors.
    public var descriptorCount: Int {
        let folder = "/proc/\(worker)/fd"
        return (try? FileManager.default.contentsOfDirectory(atPath: folder).count) ?? 0
    }

    /// Its threads.
    public var threadCount: Int {
        let folder = "/proc/\(worker)/task"
        return (try? FileManager.default.contentsOfDirectory(atPath: folder).count) ?? 0
    }

    /// Its mappings of memory that it was sent: a guest's.
    public var guestMappingCount: Int {
        Self.text("/proc/\(worker)/maps").split(separator: "\n").count { $0.contains("/memfd:") }
    }

    /// How long the threads of a name have run so far, in nanoseconds (schedstat, proc(5)).
    public func runTime(ofThreads name: String) -> UInt64 {
        let folder = "/proc/\(worker)/task"
        let threads = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
            .filter { Self.text("\(folder)/\($0)/comm") == name + "\n" }
        return threads.reduce(0) { sum, thread in
            sum + (Self.text("\(folder)/\(thread)/schedstat").split(separator: " ").first.flatMap { UInt64($0) } ?? 0)
        }
    }

    /// What it holds for its front end, or for nobody.
    public struct Holdings: Equatable, Sendable {
        public var descriptors: Int
        public var threads: Int
        public var guestMappings: Int
    }

    public var holdings: Holdings {
        Holdings(descriptors: descriptorCount, threads: threadCount, guestMappings: guestMappingCount)
    }

    /// Waits until it holds as much as it did before; what it holds then.
    public func holdings(settlingAt before: Holdings) -> Holdings {
        _ = Self.wait(seconds: 10) { holdings == before }
        return holdings
    }

    /// Waits until it has `count` descriptors again; how many it has then.
    public func descriptorCount(settlingAt count: Int) -> Int {
        _ = Self.wait(seconds: 10) { self.descriptorCount == count }
        return descriptorCount
    }

    /// Ends it as its user would; its exit status, -1 where a signal ended it or nothing did.
    public func terminate() -> Int32 {
        Foundation.kill(pid, SIGTERM)
        guard Self.wait(seconds: 20, until: { !isRunning }), let status else { return -1 }
        return status & 0x7f == 0 ? status >> 8 & 0xff : -1
    }

    /// Looks until something is so, or the time is up; whether it is.
    ///
    /// - Parameter pause: microseconds between two looks.
    public static func wait(seconds: Double, pause: UInt32 = 5000, until condition: () -> Bool) -> Bool {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while !condition() {
            guard Date() < deadline else { return false }
            usleep(pause)
        }
        return true
    }
}
