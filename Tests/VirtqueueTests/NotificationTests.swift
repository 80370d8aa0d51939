import Syscalls
import Testing
import Virtqueue

/// Two threads that sleep unless the other rings: a lost notification leaves both asleep for ever.
@Suite(.serialized) struct NotificationTests {
    @Test(
        """
        split.avail.barrier-before-suppression-check, split.recv.driver-rechecks, \
        packed.supply.driver-event-barrier: no notification is lost
        """,
        arguments: [
            (QueueKind(size: 1, features: .eventIndex), 20_000), (QueueKind(size: 4, features: []), 20_000),
            (QueueKind(size: 8, features: [.indirectDescriptors, .eventIndex]), 100_000),
            (QueueKind(size: 64, features: .indirectDescriptors), 60_000),
            (QueueKind(size: 64, features: .eventIndex), 100_000),
            (QueueKind(size: 1, features: [.packed, .eventIndex]), 10_000),
            (QueueKind(size: 5, features: .packed), 20_000),
            (QueueKind(size: 7, features: [.packed, .indirectDescriptors, .eventIndex]), 60_000),
            (QueueKind(size: 64, features: [.packed, .eventIndex]), 60_000),
        ])
    func noNotificationIsLost(_ kind: QueueKind, requests: Int) throws {
        try run(kind, requests: requests, Meeting(spins: false))
    }

    /// Unoptimised code is too slow between its accesses to show anything.
    private static var racingRequests: Int {
        #if DEBUG
            2000
        #else
            200_000
        #endif
    }

    /// With a sleep between each two looks, threads rarely publish and re-arm in the same nanoseconds. Here they do: an
    /// optimised build without the fences of either side loses notifications in this test.
    @Test(
        "split.avail.barrier-before-suppression-check, packed.supply.driver-event-barrier: between spinning threads",
        arguments: [RingFeatures.eventIndex, [], [.packed, .eventIndex], .packed])
    func noNotificationIsLostInARace(_ features: RingFeatures) throws {
        try run(QueueKind(size: 2, features: features), requests: Self.racingRequests, Meeting(spins: true))
    }

    private func run(_ kind: QueueKind, requests: Int, _ meeting: Meeting) throws {
        var random = Generator(kind.salt ^ 0x7000)
        let queue = try TestQueue.forTraffic(size: kind.size, features: kind.features, using: &random)
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
            let collects = driver.random.chance(50)
            if driver.ring.armInterrupts(collecting: collects) { meeting.interrupt.wait(orUntil: meeting.givenUp) }
            driver.ring.suppressInterrupts()
        }
    }

    private static func serve(_ queue: TestQueue, _ meeting: Meeting, requests: Int, salt: Int) throws {
        let reader = try AvailableReader(queue.configuration, memory: queue.map)
        let writer = reader.usedWriter()
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
            if served < requests && reader.armKicks() { meeting.kick.wait(orUntil: meeting.givenUp) }
            reader.suppressKicks()
        }
    }
}
