import CKernel
import GuestMemory
import Syscalls
import Testing
import Virtqueue

/// Two threads that sleep unless the other rings: a lost notification leaves both asleep for ever.
@Suite(.serialized) struct NotificationTests {
    /// What the two threads share besides guest memory.
    private final class Meeting: Sendable {
        let kick: EventDescriptor
        let interrupt: EventDescriptor
        let driverEnd = OneTimeEvent()
        let deviceEnd = OneTimeEvent()
        let givenUp = OneTimeEvent()
        private let lock = Lock()
        nonisolated(unsafe) private var recorded: [String] = []

        init() throws {
            kick = try EventDescriptor()
            interrupt = try EventDescriptor()
        }

        var failures: [String] { lock.withLock { recorded } }

        func fail(_ text: String) { lock.withLock { recorded.append(text) } }

        /// Ends both threads, wherever they sleep.
        func giveUp() {
            givenUp.signal()
            kick.ring()
            interrupt.ring()
        }
    }

    @Test(
        "split.avail.barrier-before-suppression-check, split.recv.driver-rechecks, packed.supply.driver-event-barrier: no notification is lost",
        arguments: [
            (QueueKind(size: 1, features: .eventIndex), 40_000), (QueueKind(size: 4, features: []), 40_000),
            (QueueKind(size: 8, features: [.indirectDescriptors, .eventIndex]), 100_000),
            (QueueKind(size: 64, features: .indirectDescriptors), 60_000),
            (QueueKind(size: 64, features: .eventIndex), 100_000),
            (QueueKind(size: 1, features: [.packed, .eventIndex]), 40_000),
            (QueueKind(size: 5, features: .packed), 40_000),
            (QueueKind(size: 7, features: [.packed, .indirectDescriptors, .eventIndex]), 120_000),
            (QueueKind(size: 64, features: [.packed, .eventIndex]), 120_000),
        ])
    func noNotificationIsLost(_ kind: QueueKind, requests: Int) throws {
        var random = Generator(kind.salt ^ 0x7000)
        let queue = try TestDriver.queue(size: kind.size, features: kind.features, using: &random)
        let meeting = try Meeting()
        let driver = try OSThread(name: "driver") {
            do {
                try Self.drive(queue, meeting, requests: requests, salt: kind.salt)
            } catch { meeting.fail("driver: \(error)") }
            meeting.driverEnd.signal()
        }
        let device = try OSThread(name: "device") {
            do {
                try Self.serve(queue, meeting, requests: requests, salt: kind.salt)
            } catch { meeting.fail("device: \(error)") }
            meeting.deviceEnd.signal()
        }
        // Not a measurement: only an end for a run that would have none.
        let ended = meeting.driverEnd.wait(seconds: 100) && meeting.deviceEnd.wait(seconds: 10)
        meeting.giveUp()
        driver.join()
        device.join()
        #expect(ended, "a notification was lost")
        #expect(meeting.failures == [])
    }

    private static func drive(_ queue: TestQueue, _ meeting: Meeting, requests: Int, salt: Int) throws {
        var driver = try SmallDriver(queue, requests: requests, salt: salt)
        while !meeting.givenUp.hasHappened {
            var progress = false
            while try driver.receive() { progress = true }
            while driver.send() {
                progress = true
                if driver.random.chance(30) && driver.ring.needsKick() { meeting.kick.ring() }
            }
            if driver.ring.needsKick() { meeting.kick.ring() }
            if driver.isDone { return }
            if progress { continue }
            if driver.ring.armInterrupts() { meeting.interrupt.wait() }
            driver.ring.suppressInterrupts()
        }
    }

    private static func serve(_ queue: TestQueue, _ meeting: Meeting, requests: Int, salt: Int) throws {
        var reader = try AvailableReader(queue.configuration, memory: queue.map)
        var writer = reader.usedWriter()
        var segments = SegmentList(queueSize: queue.configuration.size)
        var random = Generator(~salt)
        var served = 0
        while served < requests && !meeting.givenUp.hasHappened {
            while let chain = try reader.pop() {
                try reader.walk(from: chain, into: &segments)
                SmallDriver.answer(segments)
                writer.push(chain, written: 8)
                served += 1
                if random.chance(30) && writer.needsInterrupt() { meeting.interrupt.ring() }
            }
            if writer.needsInterrupt() { meeting.interrupt.ring() }
            if served < requests && reader.armKicks() { meeting.kick.wait() }
            reader.suppressKicks()
        }
    }
}

/// A driver of many small requests: a number is sent, and its successor comes back.
private struct SmallDriver: ~Copyable {
    let queue: TestQueue
    var ring: DriverQueue
    var random: Generator
    private let requests: Int
    private var sent = 0
    private var received = 0
    private var free: [Int]

    init(_ queue: TestQueue, requests: Int, salt: Int) throws {
        self.queue = queue
        self.requests = requests
        ring = try DriverQueue(queue.configuration, memory: queue.map)
        random = Generator(salt)
        free = Array(0..<Int(queue.configuration.size))
    }

    var isDone: Bool { received == requests }

    private func number(_ slot: Int) -> GuestAddress { TestMemory.dataStart + UInt64(TestDriver.slotSize * slot) }

    mutating func send() -> Bool {
        guard sent < requests, let slot = free.last else { return false }
        let readable = GuestBuffer(number(slot), count: 8)
        let writable = GuestBuffer(number(slot) + 8, count: 8)
        // A queue of one descriptor has no room for two buffers: there the number is answered in place.
        let isSmall = ring.size == 1
        store(UInt64(sent), at: isSmall ? writable : readable)
        guard
            ring.add(
                readable: isSmall ? [] : [readable], writable: [writable], table: queue.table(slot), token: UInt32(slot)
            )
        else { return false }
        free.removeLast()
        sent += 1
        return true
    }

    mutating func receive() throws -> Bool {
        guard let (token, written) = try ring.popUsed() else { return false }
        guard written == 8, load(GuestBuffer(number(Int(token)) + 8, count: 8)) == UInt64(received) + 1 else {
            throw WrongAnswer(position: received)
        }
        received += 1
        free.append(Int(token))
        return true
    }

    struct WrongAnswer: Error { var position: Int }

    private func store(_ number: UInt64, at buffer: GuestBuffer) {
        var position: UInt64 = 0
        queue.memory.forEachPiece(of: buffer) { piece in
            for index in piece.indices {
                piece[index] = UInt8(truncatingIfNeeded: number >> (8 * position))
                position += 1
            }
        }
    }

    private func load(_ buffer: GuestBuffer) -> UInt64 {
        var number: UInt64 = 0
        var position: UInt64 = 0
        queue.memory.forEachPiece(of: buffer) { piece in
            for byte in piece {
                number |= UInt64(byte) << (8 * position)
                position += 1
            }
        }
        return number
    }

    /// Plays the device.
    static func answer(_ segments: borrowing SegmentList) {
        var bytes = Array(repeating: UInt8(0), count: 8)
        let source = segments.readableBytes > 0 ? segments.readable : segments.writable
        var position = 0
        for segment in source {
            for index in 0..<segment.iov_len {
                bytes[position] = segment.iov_base.load(fromByteOffset: index, as: UInt8.self)
                position += 1
            }
        }
        let number = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } + 1
        position = 0
        for segment in segments.writable {
            for index in 0..<segment.iov_len {
                let byte = UInt8(truncatingIfNeeded: number >> UInt64(8 * position))
                segment.iov_base.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
                position += 1
            }
        }
    }
}
