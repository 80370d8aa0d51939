import CKernel
import Glibc
import Synchronization
import SystemPackage

/// A thread of a case's, with a working folder and umask (zero) of its own: what a case changes there, nobody else sees.
final class CaseThread: @unchecked Sendable {
    private final class Start: @unchecked Sendable {
        let body: @Sendable () throws -> Void
        /// Set by the thread, read after it has ended.
        var error: (any Error)?
        let id = Atomic<pid_t>(0)
        init(_ body: @escaping @Sendable () throws -> Void) { self.body = body }

        func run() {
            id.store(ck_gettid(), ordering: .releasing)
            do {
                try call(unshare(CLONE_FS))
                umask(0)
                try body()
            } catch {
                self.error = error
            }
        }
    }

    private let start: Start
    private var handle = pthread_t()

    init(_ body: @escaping @Sendable () throws -> Void) throws {
        start = Start(body)
        let error = pthread_create(
            &handle, nil,
            { argument in
                Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(start).toOpaque())
        guard error == 0 else { throw Errno(rawValue: error) }
    }

    /// Waits for the end, and throws what the thread threw. Once.
    func join() throws {
        pthread_join(handle, nil)
        if let error = start.error { throw error }
    }

    /// Runs `body` on a thread of its own.
    static func run(_ body: @escaping @Sendable () throws -> Void) throws { try CaseThread(body).join() }

    /// Interrupts the call that the thread is in.
    func interrupt(_ signal: Int32) { pthread_kill(handle, signal) }

    /// Waits until the thread sleeps in the kernel, or has ended.
    func waitUntilAsleep() {
        var looks = 0
        while looks < 3 {
            sched_yield()
            looks = isAsleep ? looks + 1 : 0
        }
    }

    /// The state is the first field behind the name of /proc/…/stat (proc(5)).
    private var isAsleep: Bool {
        let id = start.id.load(ordering: .acquiring)
        guard id != 0 else { return false }
        guard let file = fopen("/proc/self/task/\(id)/stat", "re") else { return true }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), file) != nil else { return true }
        let text = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        guard let end = text.lastIndex(of: UInt8(ascii: ")")), end + 2 < text.count else { return true }
        return text[end + 2] != UInt8(ascii: "R")
    }
}
