import CKernel
import FUSEWire
import Logging
import Syscalls
import SystemPackage
import Testing
import Virtio
import VirtioFSDriver
import VirtioTestSupport

/// The driver in front of a mock device that opens sessions as it should, and answers the rest as a script says.
final class DriverUnderTest: Sendable {
    let device: MockDevice
    let transport: InProcessTransport
    let driver: VirtioFSDriver
    /// The INITs that the device has seen.
    let inits = Journal<[UInt8]>()
    private let uniques = Journal<Void>()
    static let initRequest = FUSEMessage.initialize(minor: 36, flags: [.initExtended, .asyncRead], unique: 2).bytes

    init(
        _ claims: MockDevice.Claims = .init(), options: DriverOptions = .init(), script: @escaping MockDevice.Script
    ) throws {
        device = MockDevice(claims, script: Self.openingSessions(inits, script))
        transport = InProcessTransport(device: device)
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        driver = try VirtioFSDriver(transport: transport, options: options, logger: quiet)
        _ = try driver.call(Self.initRequest, internally: true)
        driver.sessionOpened(with: Self.initRequest)
    }

    deinit { driver.shutDown() }

    /// A script that answers INIT itself.
    static func openingSessions(
        _ inits: Journal<[UInt8]>, _ script: @escaping MockDevice.Script
    ) -> MockDevice.Script {
        { chain in
            guard chain.header.opcode == Opcode.initialize.rawValue else { return script(chain) }
            inits.append(chain.request)
            var answer = fuse_init_out()
            (answer.major, answer.minor) = (7, 36)
            chain.answer(payload: withUnsafeBytes(of: answer) { Array($0) })
        }
    }

    /// Changes what answers everything but INIT.
    func setScript(_ script: @escaping MockDevice.Script) {
        device.script = Self.openingSessions(inits, script)
    }

    func nextUnique() -> UInt64 {
        uniques.append(())
        return 1000 + 2 * UInt64(uniques.count)
    }

    /// Sends a request and waits: the payload, or the error.
    func call(_ message: FUSEMessage, queue: Int = 0) -> Result<[UInt8], Errno> {
        var message = message
        message.header.unique = nextUnique()
        do throws(Errno) {
            return .success(try driver.call(message.bytes, queue: queue))
        } catch {
            return .failure(error)
        }
    }

    /// Makes that many calls at once, each on a thread of its own; call ``Calls/wait()`` for what came of them.
    func startCalls(_ count: Int, _ message: FUSEMessage) throws -> Calls {
        let results = Journal<Result<[UInt8], Errno>>()
        let threads = try (0..<count).map { index in
            try OSThread(name: "caller-\(index)") { [self] in results.append(call(message, queue: index)) }
        }
        return Calls(threads: threads, results: results)
    }
}

/// Calls on threads of their own.
struct Calls {
    let threads: [OSThread]
    let results: Journal<Result<[UInt8], Errno>>

    func wait() -> [Result<[UInt8], Errno>] {
        threads.forEach { $0.join() }
        return results.all
    }
}

/// What happened, in order, from any thread.
final class Journal<Entry: Sendable>: @unchecked Sendable {
    private let lock = Lock()
    private var entries: [Entry] = []
    private let changes = NotificationCounter()

    func append(_ entry: Entry) {
        lock.withLock { entries.append(entry) }
        changes.add()
    }

    var all: [Entry] { lock.withLock { entries } }
    var count: Int { lock.withLock { entries.count } }

    func removeAll() -> [Entry] {
        lock.withLock {
            defer { entries = [] }
            return entries
        }
    }

    /// Waits until there are that many entries; false when the watchdog was faster.
    func wait(for count: Int) -> Bool { changes.wait(seconds: 120) { self.count >= count } }
}

extension FUSEMessage {
    static let getattr = FUSEMessage(.getattr).with(fuse_getattr_in())
    static let statfs = FUSEMessage(.statfs)

    static func forget(_ count: UInt64) -> FUSEMessage {
        FUSEMessage(.forget, node: NodeID(rawValue: 5)).with(fuse_forget_in(nlookup: count))
    }

    static func interrupt(_ unique: UInt64) -> FUSEMessage {
        FUSEMessage(.interrupt).with(fuse_interrupt_in(unique: unique))
    }

    static func read(_ opcode: Opcode = .read, size: UInt32) -> FUSEMessage {
        var arguments = fuse_read_in()
        arguments.size = size
        return FUSEMessage(opcode).with(arguments)
    }
}

extension MockChain {
    /// A successful answer of the right size for a request of fixed reply size, all zeros.
    func answerZeros() {
        let size = header.opcode == Opcode.statfs.rawValue ? MemoryLayout<fuse_statfs_out>.size : capacity - 16
        answer(payload: [UInt8](repeating: 0, count: max(0, size)))
    }
}

func isEIO(_ result: Result<[UInt8], Errno>) -> Bool { result == .failure(.ioError) }
