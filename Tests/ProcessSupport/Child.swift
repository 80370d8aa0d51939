public import CKernel
import Glibc
import Syscalls
import SystemPackage

/// What a program that ended has said.
public struct Outcome: Sendable {
    /// The exit status, or 128 and the signal's number, as a shell has it.
    public var status: Int32
    public var output: String
    public var errors: String
}

/// A child process whose output is collected. It ends by itself, or is killed when its time is up, and when this process
/// ends.
public final class Child: @unchecked Sendable {
    public let pid: pid_t
    private let program: String
    private let ends: [OwnedPipeEnd]
    private let inputEnd: OwnedPipeEnd?
    /// What was read of standard output and standard error so far.
    private var said: [[UInt8]] = [[], []]

    /// The reading end of a pipe, and whether the other end is still open.
    private final class OwnedPipeEnd {
        let descriptor: OwnedDescriptor
        var isOpen = true
        init(_ descriptor: FileDescriptor) { self.descriptor = OwnedDescriptor(owning: descriptor) }
    }

    /// - Parameters:
    ///   - program: its path.
    ///   - environment: what is added to this process's own.
    ///   - input: what it reads from standard input, a pipe; as much as a pipe holds. Nothing gives it /dev/null.
    ///   - keepsInputOpen: whether more seems to come, as long as this object lives.
    public init(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], input: [UInt8]? = nil,
        keepsInputOpen: Bool = false
    ) throws {
        self.program = program
        let output = try FileDescriptor.pipe()
        let errors = try FileDescriptor.pipe()
        ends = [OwnedPipeEnd(output.readEnd), OwnedPipeEnd(errors.readEnd)]
        defer {
            output.writeEnd.closeOwned()
            errors.writeEnd.closeOwned()
        }
        let given = try input.map { try Self.filledPipe($0) }
        inputEnd = keepsInputOpen ? given.map { OwnedPipeEnd($0.writeEnd) } : nil
        defer {
            given?.readEnd.closeOwned()
            if !keepsInputOpen { given?.writeEnd.closeOwned() }
        }
        pid = try spawnBound(
            [program] + arguments, environment: environment, input: given?.readEnd, output: output.writeEnd,
            errors: errors.writeEnd)
    }

    private static func filledPipe(
        _ bytes: [UInt8]
    ) throws -> (readEnd: FileDescriptor, writeEnd: FileDescriptor) {
        let pipe = try FileDescriptor.pipe()
        try pipe.writeEnd.writeAll(bytes)
        return pipe
    }

    /// Waits for the first line on standard output, and takes it; what there is instead, where there is none.
    public func firstLine() -> String { firstLine(of: 0) }

    /// As ``firstLine()``, on standard error.
    public func firstLineOfErrors() -> String { firstLine(of: 1) }

    private func firstLine(of end: Int) -> String {
        let newline = UInt8(ascii: "\n")
        while !said[end].contains(newline), ends[end].isOpen, collect(milliseconds: 60_000) {}
        let line = said[end].prefix { $0 != newline }
        said[end].removeFirst(min(said[end].count, line.count + 1))
        return String(decoding: line, as: UTF8.self)
    }

    public func signal(_ number: Int32) { kill(pid, number) }

    /// The status of wait(2), once the process has ended and was reaped.
    private var status: Int32?

    public var isRunning: Bool { !reap(options: WNOHANG) }

    private func reap(options: Int32) -> Bool {
        guard status == nil else { return true }
        var found: Int32 = 0
        guard waitpid(pid, &found, options) == pid else { return false }
        status = found
        return true
    }

    /// Waits for the end.
    ///
    /// - Parameter seconds: how long at most; then the process is killed, and has status 137.
    public func outcome(seconds: Int = 60) -> Outcome {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ends.contains(where: \.isOpen), ContinuousClock.now < deadline { collect(milliseconds: 1000) }
        if !waitForEnd(until: deadline) {
            said[1] += Array("\(program) hangs, and was killed after \(seconds) s\n".utf8)
            kill(pid, SIGKILL)
        }
        _ = reap(options: 0)
        let status = status ?? -1
        return Outcome(
            status: status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f,
            output: String(decoding: said[0], as: UTF8.self), errors: String(decoding: said[1], as: UTF8.self))
    }

    private func waitForEnd(until deadline: ContinuousClock.Instant) -> Bool {
        guard isRunning else { return true }
        let handle = pidfd_open(pid, 0)
        precondition(handle >= 0, "pidfd_open failed")
        let process = OwnedDescriptor(owning: FileDescriptor(rawValue: handle))
        let left = max(.zero, deadline - ContinuousClock.now).components.seconds
        return Readiness.wait(readable: [process.descriptor], milliseconds: Int32(left * 1000))[0]
    }

    /// Reads what is there of what still comes; false when nothing came in time.
    @discardableResult
    private func collect(milliseconds: Int32) -> Bool {
        let open = ends.indices.filter { ends[$0].isOpen }
        let ready = Readiness.wait(readable: open.map { ends[$0].descriptor.descriptor }, milliseconds: milliseconds)
        for (index, isReady) in zip(open, ready) where isReady { read(index) }
        return ready.contains(true)
    }

    private func read(_ index: Int) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let descriptor = ends[index].descriptor.descriptor
        let count = buffer.withUnsafeMutableBytes { (try? descriptor.read(into: $0)) ?? 0 }
        said[index] += buffer.prefix(count)
        if count == 0 { ends[index].isOpen = false }
    }
}
