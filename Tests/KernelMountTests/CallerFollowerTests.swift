import CKernel
import FUSEWire
import Syscalls
import SystemPackage
import Testing
import VirtioFSDriver

@testable import KernelMount

/// Whom a reader follows: seen by the processors that it may run on, one while it follows. The test says what time it is.
struct CallerFollowerTests {
    /// A request as a reader sees it: its first bytes, and how long it is.
    struct Request: Sendable, CustomTestStringConvertible {
        let testDescription: String
        fileprivate let head: [UInt8]
        fileprivate let length: Int

        private init<Body>(_ name: String, _ opcode: Opcode, _ body: Body, dataCount: Int) {
            testDescription = name
            let length = MemoryLayout<fuse_in_header>.size + MemoryLayout<Body>.size + dataCount
            var header = fuse_in_header()
            (header.opcode, header.len, header.pid) = (opcode.rawValue, UInt32(length), UInt32(getpid()))
            let bytes = withUnsafeBytes(of: header) { Array($0) } + withUnsafeBytes(of: body) { Array($0) }
            (head, self.length) = (bytes + [UInt8](repeating: 0, count: DriverPath.Lane.headSize - bytes.count), length)
        }

        static let getattr = Request("GETATTR", .getattr, fuse_getattr_in(), dataCount: 0)

        static func read(_ size: Int) -> Request {
            var body = fuse_read_in()
            body.size = UInt32(size)
            return Request("READ of \(size)", .read, body, dataCount: 0)
        }

        /// - Parameter flags: those that go with `FUSE_WRITE_CACHE`, or without it.
        static func write(_ size: Int, _ flags: Int = 0) -> Request {
            var body = fuse_write_in()
            (body.size, body.write_flags) = (UInt32(size), UInt32(flags))
            return Request("WRITE of \(size), flags \(flags)", .write, body, dataCount: size)
        }

        static func setxattr(_ size: Int) -> Request {
            Request("SETXATTR of \(size)", .setxattr, fuse_setxattr_in(), dataCount: size)
        }

        static let release = Request("RELEASE", .release, fuse_release_in(), dataCount: 0)

        /// Its first bytes, as of another thread.
        fileprivate func head(of thread: UInt32) -> [UInt8] {
            var header = head.withUnsafeBytes { $0.loadUnaligned(as: fuse_in_header.self) }
            header.pid = thread
            return withUnsafeBytes(of: header) { Array($0) } + head[MemoryLayout<fuse_in_header>.size...]
        }
    }

    /// The processors that a reader may run on, which follows the caller of GETATTRs, after each of `requests`.
    private func choices(after requests: [Request]) throws -> [Int] {
        let found = Guarded<[Int]>([])
        let lookup = try CallerLookup()
        let reader = try OSThread(name: "reader") {
            var follower = CallerFollower(lookup, Deference(isAllowed: false), ThreadPlaces(count: 1), index: 0)
            defer { follower.rest() }
            var turn = ReaderTurn()
            lookup.ask(UInt32(getpid()))
            // It has the idle policy: who yields in a loop would keep it from looking.
            while lookup.processor(of: UInt32(getpid())) == nil { usleep(1000) }
            for request in [.getattr] + requests {
                turn.received += 10_000
                request.head.withUnsafeBytes { follower.note($0, request.length, isAlone: true, turn) }
                found.withLock { $0.append(Self.processorCount) }
            }
        }
        reader.join()
        lookup.dismiss()
        lookup.join()
        let counts = found.withLock { $0 }
        try #require(counts.first == 1, "it follows who asks for little")
        return Array(counts.dropFirst())
    }

    /// How many the calling thread may run on.
    static var processorCount: Int {
        var set = cpu_set_t()
        sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &set)
        return withUnsafeBytes(of: set) { $0.reduce(0) { $0 + $1.nonzeroBitCount } }
    }

    /// What carries more is large.
    private static let most = 16 << 10
    private static let otherFlags = FUSE_WRITE_LOCKOWNER | FUSE_WRITE_KILL_SUIDGID

    @Test(
        "Who waits for what is asked is followed: who asks for little, and who writes, however much",
        arguments: [
            .getattr, .read(4096), .read(most), .write(4096), .write(4096, Int(FUSE_WRITE_CACHE)), .write(most + 1),
            .write(1 << 20), .write(1 << 20, Int(otherFlags)), .setxattr(4096),
        ] as [Request])
    func followed(_ request: Request) throws {
        #expect(try choices(after: Array(repeating: request, count: 20)) == Array(repeating: 1, count: 20))
    }

    @Test(
        "After four large ones in a row nobody is: what is read ahead, and pages that the kernel writes from its cache",
        arguments: [
            .read(most + 1), .read(1 << 20), .write(most + 1, Int(FUSE_WRITE_CACHE)),
            .write(1 << 20, Int(FUSE_WRITE_CACHE | otherFlags)), .setxattr(65536),
        ] as [Request])
    func left(_ request: Request) throws {
        let all = Affinity.count
        #expect(try choices(after: Array(repeating: request, count: 5)) == [1, 1, 1, all, all])
    }

    /// A thread that computes, on the processor that it is told.
    private final class Caller: Sendable {
        private let place: ParkingWord
        private let now = ParkingWord(.max)
        private let number = ParkingWord(0)
        private let isOver = ParkingWord(0)
        private let thread = Guarded<OSThread?>(nil)

        init(on processor: Int) throws {
            place = ParkingWord(UInt32(processor))
            let thread = try OSThread(name: "caller") { [self] in
                number.store(UInt32(ck_gettid()))
                while isOver.value == 0 {
                    _ = Affinity.stay(on: Int(place.value))
                    now.store(UInt32(Affinity.currentProcessor))
                }
            }
            self.thread.withLock { $0 = thread }
            go(to: processor)
        }

        var id: UInt32 { number.value }

        func go(to processor: Int) {
            place.store(UInt32(processor))
            while now.value != UInt32(processor) { sched_yield() }
        }

        func end() {
            isOver.store(1)
            thread.withLock { $0.take() }?.join()
        }
    }

    @Test(
        "A caller that moves is found again, though each of its requests comes right behind a RELEASE",
        .enabled(if: Affinity.count > 1))
    func moved() throws {
        let (first, second) = (Affinity.processors[0], Affinity.processors[1])
        let caller = try Caller(on: first)
        defer { caller.end() }
        let lookup = try CallerLookup()
        let found = Guarded<[Int]>([])
        let reader = try OSThread(name: "reader") {
            var follower = CallerFollower(lookup, Deference(isAllowed: false), ThreadPlaces(count: 1), index: 0)
            defer { follower.rest() }
            var turn = ReaderTurn()
            turn.note(hadWaited: true)
            for processor in [first, second] {
                caller.go(to: processor)
                var tries = 0
                repeat {
                    usleep(100)
                    turn.received = monotonicNanoseconds()
                    for request in [Request.release, .getattr] {
                        request.head(of: caller.id).withUnsafeBytes {
                            follower.note($0, request.length, isAlone: true, turn)
                        }
                    }
                    tries += 1
                } while !(Affinity.currentProcessor == processor && Self.processorCount == 1) && tries < 200_000
                found.withLock { $0.append(Self.processorCount == 1 ? Affinity.currentProcessor : -1) }
            }
        }
        reader.join()
        lookup.dismiss()
        lookup.join()
        #expect(found.withLock { $0 } == [first, second])
    }

    @Test("A write by a program ends a row of large ones")
    func row() throws {
        let (read, write) = (Request.read(1 << 20), Request.write(1 << 20))
        let requests = [read, read, read, write, read, read, read, read]
        #expect(try choices(after: requests) == [1, 1, 1, 1, 1, 1, 1, Affinity.count])
    }
}
