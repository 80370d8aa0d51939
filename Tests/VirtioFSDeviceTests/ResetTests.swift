import CKernel
import FUSEWire
import GuestMemory
import HostDirectory
import Syscalls
import SystemPackage
import Testing
import Virtio
import VirtioFSDevice
import VirtioTestSupport

/// Reset at any moment (virtio 1.4, 2.4), and what a broken ring leads to (virtio 1.4, 2.1.2).
struct ResetTests {
    @Test("reset.device-status-zero, reset.device-silent-after: status 0, and kicks of the old doorbell do nothing")
    func silentAfterReset() throws {
        let test = try DeviceUnderTest()
        try test.open()
        let queue = test.driver.requests
        let doorbell = try #require(queue.doorbell)
        test.transport.reset()
        #expect(test.transport.status == [])
        #expect(test.transport.doorbell(1) == nil)
        let before = queue.interrupts.count
        let chain = queue.prepare(FUSEMessage.getattr().bytes)
        queue.stage([chain.head])
        queue.publish()
        for lending in [true, false] { doorbell.ring(lending: lending) }
        // A second reset waits for whatever might still be going on.
        test.transport.reset()
        #expect(try !queue.hasReturned(chain.head))
        #expect(queue.interrupts.count == before)
    }

    @Test("Reset at each step of bring-up, twice in a row, and before any")
    func resetAtEachStep() throws {
        let test = try DeviceUnderTest()
        let driver = test.driver
        let steps: [() throws -> Void] = [
            { driver.acknowledge() }, { driver.announce() }, { driver.accept([.version1]) },
            { try driver.setUpQueue(0, size: 8) }, { try driver.setUpQueue(1, size: 8) }, { driver.start() },
            { _ = try test.call(.initialize()) }, { _ = try test.call(.getattr()) },
        ]
        for end in 0...steps.count {
            for step in steps.prefix(end) { try step() }
            driver.reset()
            driver.reset()
            #expect(test.transport.status == [])
        }
        try test.open()
    }

    @Test("Reset ends the session: nodes and handles are gone, and a new one needs its own INIT")
    func resetEndsSession() throws {
        let test = try DeviceUnderTest()
        try test.folder.add("file")
        try test.open()
        _ = try test.open(try test.lookup("file"))
        test.driver.reset()
        #expect(test.files.openHandleCount == 0 && test.files.lookupCount == 0)
        try test.driver.bringUp()
        #expect(try test.call(.getattr()).errno == EIO)
    }

    @Test("A reset with chains in flight in a stalled file system waits for them, and then all are let go of")
    func resetWhileStalled() throws {
        for polite in [true, false] {
            let gate = Gate()
            let test = try DeviceUnderTest(hook: { opcode, request throws(Errno) in
                guard opcode == .statfs else { return }
                if polite { try request.mayBlock() }
                gate.pass()
            })
            try test.open()
            for _ in 0..<6 { _ = test.start(.statfs()) }
            #expect(gate.waitForArrivals(polite ? 6 : 1))
            let isReset = Flag()
            let resetter = try OSThread(name: "resetter") { [transport = test.transport] in
                transport.reset()
                isReset.raise()
            }
            #expect(!isReset.isUp, "the device still has buffers")
            gate.letThrough()
            resetter.join()
            #expect(test.transport.status == [])
            let index = test.driver.requests.ring.usedIndex.load()
            let interrupts = test.driver.requests.interrupts.count
            try test.open()
            #expect(index == 7 || !polite, "INIT and six that had been popped")
            #expect(interrupts >= 1)
        }
    }

    @Test("Resets in the middle of traffic, with both kick policies: each new session works")
    func resetInTraffic() throws {
        for policy in [ServiceOptions.KickPolicy.adaptive, .worker] {
            let test = try DeviceUnderTest(configure: { $0.service.kick = policy })
            try test.folder.add("file")
            for round in 0..<60 {
                try test.open()
                for index in 0..<30 {
                    _ = test.driver.requests.submit(
                        FUSEMessage(.lookup).with(name: "file").bytes, lending: (round + index) % 2 == 0)
                }
                test.driver.reset()
                #expect(test.files.lookupCount == 0)
            }
        }
    }

    @Test("status.device-raises-needs-reset, status.device-needs-reset-notifies: after a broken ring, reset mends it")
    func brokenRing() throws {
        let breakages: [(MockQueue) -> Void] = [
            { $0.ring.availableIndex.store($0.nextAvailable &+ $0.ring.size + 1) },
            {
                $0.stage([$0.ring.size]); $0.publish()
            },
            { queue in
                queue.ring.setDescriptor(0, RawDescriptor(address: 0, length: 40, flags: 0, next: 0))
                queue.stage([0])
                queue.publish()
            },
            { queue in  // a loop
                let address = MockGuestMemory.start.rawValue
                queue.ring.setDescriptor(
                    1, RawDescriptor(address: address, length: 1, flags: RawDescriptor.next, next: 1))
                queue.stage([1])
                queue.publish()
            },
        ]
        for policy in [ServiceOptions.KickPolicy.adaptive, .worker] {
            for breakRing in breakages {
                let test = try DeviceUnderTest(configure: { $0.service.kick = policy })
                try test.open()
                breakRing(test.driver.requests)
                test.driver.requests.kick()
                #expect(test.driver.waitUntilNeedsReset())
                #expect(test.driver.configurationChanges == 1)
                try test.open()
                #expect(try test.call(.getattr()).errno == 0)
            }
        }
    }

    @Test("A device that has met a broken ring looks at that queue no more, even at chains that are well formed")
    func brokenRingIsLeftAlone() throws {
        // Often: threads on loan and the worker meet at the broken chain.
        let test = try DeviceUnderTest()
        for _ in 0..<100 { try breakBetweenChains(test) }
    }

    private func breakBetweenChains(_ test: DeviceUnderTest) throws {
        try test.open()
        let queue = test.driver.requests
        let before = queue.ring.usedIndex.load()
        // One broken chain between well-formed ones, all available at once.
        let chains = (0..<4).map { _ in queue.prepare(FUSEMessage.getattr().bytes) }
        queue.ring.setDescriptor(60, RawDescriptor(address: 0, length: 40, flags: 0, next: 0))
        queue.stage([chains[0].head, 60, chains[1].head])
        queue.publish()
        queue.kick()
        #expect(test.driver.waitUntilNeedsReset())
        queue.stage([chains[2].head, chains[3].head])
        queue.publish()
        for lending in [true, false] { queue.kick(lending: lending) }
        test.transport.reset()
        #expect(queue.ring.usedIndex.load() &- before <= 1, "only what came before the broken chain")
    }
}

/// Something that has happened, seen from another thread.
private final class Flag: Sendable {
    private let event = OneTimeEvent()
    func raise() { event.signal() }
    var isUp: Bool { event.hasHappened }
}
