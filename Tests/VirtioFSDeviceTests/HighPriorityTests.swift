import CKernel
import FUSEWire
import GuestMemory
import HostDirectory
import SystemPackage
import Testing
import Virtio
import VirtioFSDevice
import VirtioTestSupport

/// The high-priority queue, and what blocked operations may hold up and what not.
struct HighPriorityTests {
    @Test("fs.hiprio.device-same-format: FORGET and BATCH_FORGET take lookups back, and are returned with length 0")
    func forgets() throws {
        let test = try DeviceUnderTest()
        for name in ["a", "b", "c"] { try test.folder.add(name) }
        try test.open()
        let nodes = try ["a", "b", "c"].map { try test.lookup($0) }
        _ = try test.lookup("a")
        #expect(test.files.lookupCount == 4)
        let hiprio = test.driver.hiprio
        #expect(try hiprio.send(FUSEMessage.forget(nodes[0], count: 2).bytes, writable: []).usedLength == 0)
        #expect(test.files.lookupCount == 2)
        let batch = FUSEMessage(.batchForget).with(fuse_batch_forget_in(count: 2, dummy: 0))
            .with(fuse_forget_one(nodeid: nodes[1].rawValue, nlookup: 1))
            .with(fuse_forget_one(nodeid: nodes[2].rawValue, nlookup: 1))
        #expect(try hiprio.send(batch.bytes, cuts: [3, 40, 10], writable: []).usedLength == 0)
        #expect(test.files.lookupCount == 0)
    }

    @Test("FORGETs that come together, apart or alone are all taken from a driver that kicks only where it is asked to")
    func collectedForgets() throws {
        let test = try DeviceUnderTest()
        try test.folder.add("a")
        try test.open()
        let node = try test.lookup("a")
        let hiprio = test.driver.hiprio
        for number in 0..<3_000 {
            let chains = (0..<[1, 2, 3, 1, 1, 7][number % 6]).map { _ in
                hiprio.prepare(FUSEMessage.forget(node, count: 0).bytes, writable: [])
            }
            for chain in chains {
                let place = hiprio.nextAvailable
                hiprio.stage([chain.head])
                hiprio.publish()
                // Virtio 1.4, 2.7.13.4.1: what was added crosses the event.
                if hiprio.ring.availableEvent.load() == place { hiprio.kick(lending: false) }
            }
            for chain in chains { #expect(try hiprio.collect(chain).reply == nil) }
        }
        #expect(test.files.lookupCount == 1)
    }

    @Test("A FORGET with room for a reply gets none: length 0, not a byte written")
    func forgetWithRoom() throws {
        let test = try DeviceUnderTest()
        try test.open()
        let answer = try test.driver.hiprio.send(FUSEMessage.forget(.root, count: 1).bytes, writable: [64])
        #expect(answer.usedLength == 0)
        #expect(try test.call(.getattr()).errno == 0, "the root is never forgotten")
    }

    @Test(
        "BATCH_FORGET with a count that its bytes don't bear takes nothing back", arguments: [UInt32(2), 1 << 20, .max])
    func batchLies(count: UInt32) throws {
        let test = try DeviceUnderTest()
        try test.folder.add("a")
        try test.open()
        let node = try test.lookup("a")
        let batch = FUSEMessage(.batchForget).with(fuse_batch_forget_in(count: count, dummy: 0))
            .with(fuse_forget_one(nodeid: node.rawValue, nlookup: 1))
        #expect(try test.driver.hiprio.send(batch.bytes, writable: []).usedLength == 0)
        #expect(test.files.lookupCount == 1)
    }

    @Test("A BATCH_FORGET larger than any WRITE is refused: nothing keeps the hiprio queue for hours")
    func endlessBatch() throws {
        let test = try DeviceUnderTest()
        try test.folder.add("a")
        try test.open()
        let node = try test.lookup("a")
        let one = fuse_forget_one(nodeid: node.rawValue, nlookup: 1)
        let rest = [UInt8](repeating: 0, count: 16 << 16)
        let most = FUSEMessage(.batchForget).with(fuse_batch_forget_in(count: 1 << 16 | 1, dummy: 0)).with(one)
        #expect(try test.driver.hiprio.send(most.with(bytes: rest).bytes, writable: []).usedLength == 0)
        #expect(test.files.lookupCount == 1)
        let fitting = FUSEMessage(.batchForget).with(fuse_batch_forget_in(count: 1 << 16, dummy: 0)).with(one)
        #expect(try test.driver.hiprio.send(fitting.with(bytes: rest).bytes, writable: []).usedLength == 0)
        #expect(test.files.lookupCount == 0)
    }

    @Test("fs.hiprio.device-never-paused: served while every thread of every request queue blocks in the file system")
    func neverPaused() throws {
        let gate = Gate()
        let test = try DeviceUnderTest(
            requestQueues: 3, configure: { $0.service.largestThreadCount = 2 },
            hook: { opcode, request throws(Errno) in
                guard opcode == .statfs else { return }
                try request.mayBlock()
                gate.pass()
            })
        try test.folder.add("a")
        try test.open()
        let node = try test.lookup("a")
        let chains = (1...3).map { queue in (0..<4).map { _ in (queue, test.start(.statfs(), queue: queue)) } }.joined()
        #expect(gate.waitForArrivals(6), "two threads of each queue are in the file system")
        for _ in 0..<100 {
            _ = try test.driver.hiprio.send(FUSEMessage.interrupt(12345).bytes, writable: [])
        }
        _ = try test.driver.hiprio.send(FUSEMessage.forget(node, count: 1).bytes, writable: [])
        #expect(test.files.lookupCount == 0)
        gate.letThrough()
        for (queue, chain) in chains {
            #expect(try test.driver.queues[queue]!.collect(chain).reply?.errno == 0)
        }
    }

    @Test("An operation that says it may block does not stall its queue", arguments: ServiceOptions.KickPolicy.allCases)
    func leaderAndFollower(policy: ServiceOptions.KickPolicy) throws {
        let gate = Gate()
        let test = try DeviceUnderTest(
            configure: { $0.service.kick = policy },
            hook: { opcode, request throws(Errno) in
                guard opcode == .statfs else { return }
                try request.mayBlock()
                gate.pass()
            })
        try test.open()
        for lending in [true, false] {
            // Ten blocked calls, and the queue goes on after each of them.
            for _ in 0..<5 {
                let blocked = test.driver.requests.submit(FUSEMessage.statfs().bytes, lending: lending)
                #expect(try test.call(.getattr(), lending: lending).errno == 0)
                #expect(try !test.driver.requests.hasReturned(blocked.head))
            }
        }
        #expect(gate.waitForArrivals(10))
        gate.letThrough()
        #expect(try test.call(.statfs(), lending: false).errno == 0)
    }

    @Test("With all threads of a queue blocked the queue waits, and goes on when one is free")
    func allThreadsBlocked() throws {
        let gate = Gate()
        let test = try DeviceUnderTest(
            configure: { $0.service.largestThreadCount = 3 },
            hook: { opcode, request throws(Errno) in
                guard opcode == .statfs else { return }
                try request.mayBlock()
                gate.pass()
            })
        try test.open()
        let blocked = (0..<8).map { _ in test.start(.statfs()) }
        let waiting = test.start(.getattr())
        #expect(gate.waitForArrivals(3))
        #expect(try !test.driver.requests.hasReturned(waiting.head))
        gate.letThrough()
        for chain in blocked + [waiting] { #expect(try test.driver.requests.collect(chain).reply?.errno == 0) }
    }

    @Test("INTERRUPT may overtake its request: one that is about to wait for a lock is answered EINTR, others are not")
    func interruptOvertakes() throws {
        let test = try DeviceUnderTest(hook: { opcode, request throws(Errno) in
            guard opcode == .statfs else { return }
            try request.mayBlock()
            try request.onInterrupt({}, while: {})
        })
        try test.open()
        _ = try test.driver.hiprio.send(FUSEMessage.interrupt(7).bytes, writable: [])
        for (unique, expected) in [(UInt64(8), Int32(0)), (7, EINTR), (7, 0)] {
            var message = FUSEMessage.statfs()
            message.header.unique = unique
            #expect(try test.driver.requests.send(message.bytes, lending: false).reply?.errno == expected)
        }
        // On a lent thread the request starts again on another: still interrupted.
        _ = try test.driver.hiprio.send(FUSEMessage.interrupt(9).bytes, writable: [])
        var message = FUSEMessage.statfs()
        message.header.unique = 9
        #expect(try test.driver.requests.send(message.bytes, lending: true).reply?.errno == EINTR)
    }

    @Test("INTERRUPT ends nothing that a signal does not end on a local file system", arguments: [false, true])
    func interruptLeavesOthers(lending: Bool) throws {
        let test = try DeviceUnderTest(hook: { opcode, request throws(Errno) in
            if opcode == .statfs { try request.mayBlock() }
        })
        try test.open()
        _ = try test.driver.hiprio.send(FUSEMessage.interrupt(7).bytes, writable: [])
        var message = FUSEMessage.statfs()
        message.header.unique = 7
        #expect(try test.driver.requests.send(message.bytes, lending: lending).reply?.errno == 0)
    }
}
