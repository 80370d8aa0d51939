import CKernel
import FUSEWire
import Syscalls
import SystemPackage
import Testing
import Virtio
import VirtioFSDriver
import VirtioTestSupport

/// After a broken ring, what is in flight gets EIO, and the driver goes on with a new session of the same INIT.
struct RecoveryTests {
    /// Ways in which a device breaks a ring, with a chain of its own in hand.
    static let breakages: [(name: String, run: @Sendable (MockChain) -> Void)] = [
        ("an id that is none", { $0.finish(id: 64) }),
        ("the largest id", { $0.finish(id: .max) }),
        ("an id that was never given", { $0.finish(id: UInt32($0.head) ^ 32) }),
        ("more than the chain can hold", { $0.finish(length: UInt32($0.capacity) + 1) }),
        ("the largest length", { $0.finish(length: .max) }),
        ("an index that jumps", { $0.queue.jump(by: 65) }),
        ("an index that steps back", { $0.queue.jump(by: .max) }),
        (
            "an id twice",
            {
                $0.finish(); $0.queue.returnChain(id: UInt32($0.head), length: 0)
            }
        ),
        ("DEVICE_NEEDS_RESET", { $0.queue.breakDown() }),
    ]

    @Test(
        "EIO for everything in flight, each once; then a new session with the same INIT, and calls work",
        arguments: breakages.indices)
    func newSession(index: Int) throws {
        let held = Journal<MockChain>()
        let test = try DriverUnderTest { held.append($0) }
        for round in 1...3 {
            let calls = try test.startCalls(20, .getattr)
            #expect(held.wait(for: 20))
            test.setScript { $0.answerZeros() }
            Self.breakages[index].run(held.removeAll()[7])
            let results = calls.wait()
            #expect(results.count == 20 && results.allSatisfy(isEIO), "\(Self.breakages[index].name): \(results)")
            #expect(test.call(.getattr) == .success([UInt8](repeating: 0, count: 104)))
            #expect(test.inits.count == 1 + round)
            #expect(test.inits.all.allSatisfy { $0 == DriverUnderTest.initRequest })
            #expect(test.transport.status == [.acknowledge, .driver, .featuresOK, .driverOK])
            test.setScript { held.append($0) }
        }
    }

    @Test("A broken hiprio queue is mended as well, when it shows: nobody waits for what goes there")
    func hiprioBreaks() throws {
        let returned = Journal<Void>()
        let test = try DriverUnderTest { chain in
            guard chain.queue.number == 0 else { return chain.answerZeros() }
            chain.finish(id: returned.count == 0 ? 63 : nil)
            returned.append(())
        }
        test.driver.post(FUSEMessage.forget(1).bytes)
        #expect(returned.wait(for: 1))
        test.driver.post(FUSEMessage.forget(1).bytes)
        #expect(test.inits.wait(for: 2))
        #expect(test.call(.statfs) == .success([UInt8](repeating: 0, count: 80)))
    }

    @Test("Requests that had not gone out are served by the new session")
    func parkedSurvive() throws {
        let held = Journal<MockChain>()
        var options = DriverOptions()
        options.queueSize = 8
        let test = try DriverUnderTest(options: options) { held.append($0) }
        let calls = try test.startCalls(8, .getattr)
        #expect(held.wait(for: 8))
        // All slots are taken: these park, as a lane's requests do.
        let replies = Journal<UInt64>()
        test.driver.onReply { reply in if reply.error == nil { replies.append(reply.id.rawValue) } }
        let lane = DriverLane(test.driver, index: 0)
        for unique in 1...5 {
            var message = FUSEMessage.statfs
            message.header.unique = UInt64(unique)
            lane.sendWhole(message.bytes)
        }
        test.setScript { $0.answerZeros() }
        held.all[0].finish(id: .max)
        #expect(calls.wait().allSatisfy(isEIO))
        #expect(replies.wait(for: 5))
        #expect(replies.all == [1, 2, 3, 4, 5])
    }

    /// Ways in which a device is gone for good.
    static let deaths: [(name: String, run: @Sendable (DriverUnderTest) -> Void)] = [
        ("refuses its queues", { $0.device.claims.refusesQueues = true }),
        ("lacks VERSION_1", { $0.device.claims.features = [] }),
        ("has no INDIRECT_DESC any more", { $0.device.claims.features = [.version1, .eventIndex] }),
        ("is another device", { $0.device.claims.deviceID = 1 }),
        ("has no queues", { $0.device.claims.queueSizes = [] }),
        ("has smaller queues", { $0.device.claims.queueSizes = [4, 4] }),
        ("has an empty configuration", { $0.device.claims.configuration = [] }),
        ("refuses INIT", { $0.device.script = { $0.answer(error: -EPROTO) } }),
        ("answers INIT with garbage", { $0.device.script = { $0.finish([1, 2, 3]) } }),
        ("breaks the ring at INIT", { $0.device.script = { $0.finish(id: .max) } }),
        ("needs a reset at INIT", { $0.device.script = { $0.queue.breakDown() } }),
    ]

    @Test("A device that can't come back: EIO for everything, each once, from there on", arguments: deaths.indices)
    func cannotComeBack(index: Int) throws {
        let held = Journal<MockChain>()
        var options = DriverOptions()
        options.queueSize = 8
        let test = try DriverUnderTest(options: options) { held.append($0) }
        let replies = Journal<UInt64>()
        test.driver.onReply { reply in
            #expect(reply.error == .ioError)
            replies.append(reply.id.rawValue)
        }
        let lane = DriverLane(test.driver, index: 0)
        // Four go out from the lane, four as calls, and the rest park.
        for unique in 1...4 { lane.sendWhole(FUSEMessage(opcode: 17, node: 1, unique: UInt64(unique)).bytes) }
        let calls = try test.startCalls(4, .getattr)
        #expect(held.wait(for: 8))
        for unique in 5...8 { lane.sendWhole(FUSEMessage(opcode: 17, node: 1, unique: UInt64(unique)).bytes) }
        Self.deaths[index].run(test)
        held.all[0].finish(id: .max)
        #expect(calls.wait().allSatisfy(isEIO), "\(Self.deaths[index].name)")
        #expect(replies.wait(for: 8))
        for _ in 0..<3 { #expect(isEIO(test.call(.getattr))) }
        #expect(replies.all.sorted() == Array(1...8), "\(Self.deaths[index].name)")
    }
}

extension DriverLane {
    /// Sends a request that is in one piece.
    func sendWhole(_ bytes: [UInt8], lending: Bool = false) {
        let rest = prepare()
        bytes.withUnsafeBytes { bytes in
            let head = UnsafeRawBufferPointer(rebasing: bytes.prefix(Self.headSize))
            rest.copyBytes(from: bytes.dropFirst(Self.headSize))
            send(head: head, length: bytes.count, lending: lending)
        }
    }
}
