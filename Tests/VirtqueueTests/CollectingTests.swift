import Testing
import Virtqueue

@Suite struct CollectingTests {
    @Test(
        "A driver that collects is interrupted when more than half of what was in flight is back",
        arguments: [RingFeatures.eventIndex, [.packed, .eventIndex]], [1, 2, 7, 8, 40])
    func moreThanHalf(_ features: RingFeatures, inFlight: Int) throws {
        let kind = QueueKind(size: 64, features: features.union(.indirectDescriptors))
        var random = Generator(31)
        let queue = try TestQueue.forTraffic(size: kind.size, features: kind.features, using: &random)
        var driver = try SmallDriver(queue, requests: 5 * inFlight, salt: 3)
        let reader = try AvailableReader(queue.configuration, memory: queue.map)
        let writer = reader.usedWriter()
        var segments = SegmentList(queueSize: kind.size)
        for _ in 0..<5 {
            for _ in 0..<inFlight { expect(driver.send()) }
            expect(driver.ring.armInterrupts(collecting: true))
            for count in 1...inFlight {
                let chain = try #require(try reader.pop())
                try reader.walk(from: chain, into: &segments)
                SmallDriver.answer(segments)
                writer.push(chain, written: 8)
                #expect(writer.needsInterrupt() == (count == inFlight / 2 + 1))
            }
            expect(driver.ring.armInterrupts(collecting: true), is: false, "what is back already waits to be popped")
            for _ in 0..<inFlight { expect(try driver.receive()) }
        }
    }
}
