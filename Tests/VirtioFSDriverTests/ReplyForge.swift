import CKernel
import FUSEWire
import Syscalls
import SystemPackage
import VirtioTestSupport

/// Makes requests, and replies to them that are wrong in a way that a seed determines. One request at a time.
final class ReplyForge: @unchecked Sendable {
    /// What a call has to make of the last reply.
    struct Expectation: CustomStringConvertible {
        var name: String
        var result: Result<Int, Errno> = .failure(.ioError)
        var breaksRing = false

        func matches(_ outcome: Result<[UInt8], Errno>) -> Bool { outcome.map(\.count) == result }

        var description: String { "\(name) is to give \(result)" }
    }

    private let lock = Lock()
    private var generator: SeededGenerator
    private var current = Expectation(name: "")
    private let writer: ForeignWriter

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        do throws(Errno) {
            writer = try ForeignWriter()
        } catch {
            preconditionFailure("can't write to memory: \(error)")
        }
    }

    var expectation: Expectation { lock.withLock { current } }

    func nextRequest() -> FUSEMessage {
        lock.withLock {
            let size = generator.pick([0, 1, 100, 3000, 4096, 5000, 100_000] as [UInt32])
            let padding = [UInt8](repeating: 0, count: 88)
            switch generator.next() % 8 {
            case 0: return .getattr
            case 1: return FUSEMessage(.lookup).with(name: "name")
            case 2: return .read(size: size)
            case 3: return .read(.readdirplus, size: size)
            case 4: return FUSEMessage(.unlink).with(name: "name")
            case 5: return FUSEMessage(.getxattr).with(fuse_getxattr_in(size: size, padding: 0)).with(name: "user.x")
            case 6: return FUSEMessage(.readlink)
            default: return FUSEMessage(.setattr).with(bytes: padding)
            }
        }
    }

    func answer(_ chain: MockChain) {
        let action = lock.withLock { () -> () -> Void in forge(chain) }
        action()
    }

    // MARK: the wrong answers

    private func expect(_ name: String, _ result: Result<Int, Errno> = .failure(.ioError), breaks: Bool = false) {
        current = Expectation(name: name, result: result, breaksRing: breaks)
    }

    private func forge(_ chain: MockChain) -> () -> Void {
        // A new session costs as much as some hundred calls.
        if generator.once(in: 100) { return breakRing(chain) }
        switch generator.next() % 12 {
        case 0: return tooShort(chain)
        case 1: return wrongUnique(chain)
        case 2: return wrongError(chain)
        case 3: return wrongLength(chain)
        case 4: return errorWithPayload(chain)
        case 5: return wrongSize(chain)
        case 6: return rightError(chain)
        case 7: return scribble(chain)
        case 8: return anyBytes(chain)
        default: return rightSize(chain)
        }
    }

    private func bytes(_ count: Int) -> [UInt8] {
        guard count > 64 else { return (0..<max(0, count)).map { _ in UInt8.random(in: 0...255, using: &generator) } }
        return [UInt8](repeating: UInt8.random(in: 0...255, using: &generator), count: count)
    }

    /// Whether any payload up to the capacity is right.
    private func isVariable(_ chain: MockChain) -> Bool {
        switch Opcode(rawValue: chain.header.opcode) {
        case .read, .readdirplus, .readlink: true
        case .getxattr: chain.request[40..<44].contains { $0 != 0 }
        default: false
        }
    }

    private func payload(_ chain: MockChain) -> [UInt8] {
        let room = chain.capacity - 16
        return bytes(isVariable(chain) ? Int.random(in: 0...room, using: &generator) : room)
    }

    private func tooShort(_ chain: MockChain) -> () -> Void {
        expect("short header")
        let written = bytes(Int.random(in: 0..<16, using: &generator))
        return { chain.finish(written) }
    }

    private func wrongUnique(_ chain: MockChain) -> () -> Void {
        expect("wrong unique")
        let unique = chain.header.unique ^ (1 << UInt64.random(in: 0..<64, using: &generator))
        let reply = FUSEReply.bytes(unique: unique, payload: payload(chain))
        return { chain.finish(reply) }
    }

    private func wrongError(_ chain: MockChain) -> () -> Void {
        expect("error that is none")
        let errors: [Int32] = [1, 5, 512, .max, .min, .min + 1, -512, -513, -100_000]
        let reply = FUSEReply.bytes(unique: chain.header.unique, error: generator.pick(errors))
        return { chain.finish(reply) }
    }

    private func wrongLength(_ chain: MockChain) -> () -> Void {
        expect("length that lies")
        var reply = FUSEReply.bytes(unique: chain.header.unique, payload: payload(chain))
        let right = UInt32(reply.count)
        var wrong = generator.pick([0, 15, 16, right &+ 1, right - 1, right &+ 8, .max, 1 << 31] as [UInt32])
        if wrong == right { wrong = 0 }
        withUnsafeBytes(of: wrong) { reply.replaceSubrange(0..<4, with: $0) }
        return { [reply] in chain.finish(reply) }
    }

    private func errorWithPayload(_ chain: MockChain) -> () -> Void {
        guard chain.capacity > 16 else { return rightError(chain) }
        expect("error with a payload")
        let count = Int.random(in: 1...chain.capacity - 16, using: &generator)
        let reply = FUSEReply.bytes(unique: chain.header.unique, error: -2, payload: bytes(count))
        return { chain.finish(reply) }
    }

    private func wrongSize(_ chain: MockChain) -> () -> Void {
        guard !isVariable(chain), chain.capacity > 16 else { return rightSize(chain) }
        expect("payload of a wrong size")
        let count = Int.random(in: 0..<chain.capacity - 16, using: &generator)
        let reply = FUSEReply.bytes(unique: chain.header.unique, payload: bytes(count))
        return { chain.finish(reply) }
    }

    private func rightError(_ chain: MockChain) -> () -> Void {
        let error = Int32.random(in: 1...511, using: &generator)
        expect("error", .failure(Errno(rawValue: error)))
        let reply = FUSEReply.bytes(unique: chain.header.unique, error: -error)
        return { chain.finish(reply) }
    }

    /// Any content is right as far as the driver can tell: insane name lengths in a listing are no more than bytes.
    private func rightSize(_ chain: MockChain) -> () -> Void {
        let payload = payload(chain)
        expect("right size", .success(payload.count))
        let reply = FUSEReply.bytes(unique: chain.header.unique, payload: payload)
        return { chain.finish(reply) }
    }

    private func anyBytes(_ chain: MockChain) -> () -> Void {
        expect("any bytes")
        let count = Int.random(in: 0...min(chain.capacity, 64), using: &generator)
        var reply = bytes(count)
        // That it should be right by accident is ruled out.
        if count >= 16 { reply[15] = 0xFF }
        let length = UInt32.random(in: 0...UInt32(chain.capacity), using: &generator)
        return { [reply] in chain.finish(reply, length: length) }
    }

    /// Overwrites what the driver has put into shared memory, and then answers as it should.
    private func scribble(_ chain: MockChain) -> () -> Void {
        let payload = payload(chain)
        expect("scribbled", .success(payload.count))
        let reply = FUSEReply.bytes(unique: chain.header.unique, payload: payload)
        let noise = bytes(64)
        return { [self] in
            // The slot begins a page before the payload pages: table, reply room, and the request itself.
            for buffer in chain.readable { writer.write(Array(noise.prefix(buffer.count)), to: buffer.baseAddress!) }
            let ring = chain.queue.ring
            let table = ring.descriptorTable + 16 * Int(chain.head)
            writer.write(Array(noise.prefix(16)), to: table)
            chain.finish(reply)
        }
    }

    private func breakRing(_ chain: MockChain) -> () -> Void {
        expect("broken ring", breaks: true)
        // Of an id that comes twice the first is an answer, so that the next call may be on its way at the second.
        let breakages = RecoveryTests.breakages.filter { $0.name != "an id twice" }
        let breakage = generator.pick(breakages).run
        return { breakage(chain) }
    }
}
