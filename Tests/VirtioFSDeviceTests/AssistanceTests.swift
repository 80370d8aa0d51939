import CKernel
import FUSEWire
import Glibc
import GuestMemory
import Synchronization
import Syscalls
import SystemPackage
import Testing
import Virtio
import VirtioTestSupport

@testable import VirtioFSDevice

/// A second thread for a queue in which requests pile up.
@Suite struct AssistanceTests {
    @Test("Where requests that take long pile up, a second thread serves beside the first", arguments: [2, 1])
    func secondThread(processors: Int) throws {
        let first = Atomic<UInt>(0)
        let others = Atomic<Int>(0)
        let test = try DeviceUnderTest(
            configure: { $0.service.processors = processors },
            hook: { opcode, _ throws(Errno) in
                guard opcode == .statfs else { return }
                let (isFirst, known) = first.compareExchange(
                    expected: 0, desired: pthread_self(), ordering: .acquiringAndReleasing)
                if !isFirst, known != pthread_self() { others.wrappingAdd(1, ordering: .relaxed) }
                Self.compute(nanoseconds: 200_000)
            })
        // On loan nothing is served: who kicks would be the second thread.
        try test.driver.bringUp()
        try #require(try test.call(.initialize(), lending: false).errno == 0)
        let queue = test.driver.requests
        // A second thread that is called may not get the lead in time, and is called again then.
        for round in 0..<500 where others.load(ordering: .relaxed) == 0 && (processors > 1 || round < 5) {
            let chains = (0..<24).map { _ in queue.prepare(FUSEMessage.statfs().bytes, writable: [4096]) }
            queue.stage(chains.map(\.head))
            queue.publish()
            queue.kick(lending: false)
            for chain in chains { #expect(try queue.collect(chain).reply?.errno == 0) }
        }
        #expect((others.load(ordering: .relaxed) > 0) == (processors > 1))
    }

    /// Requests that take little time, so that a thread pops several at once; those of `stalls` say that they may block, and
    /// wait at the gate.
    private func pile(
        _ count: Int, stalls: @escaping @Sendable (UInt64) -> Bool = { _ in false }, at gate: Gate,
        then breakRing: (MockQueue) -> Void = { _ in }
    ) throws -> (test: DeviceUnderTest, chains: [SentChain]) {
        let test = try DeviceUnderTest(
            configure: { $0.service.processors = 2 },
            hook: { opcode, request throws(Errno) in
                guard opcode == .statfs else { return }
                Self.compute(nanoseconds: 10_000)
                guard stalls(request.id.rawValue) else { return }
                try request.mayBlock()
                gate.pass()
            })
        try test.driver.bringUp(queueSize: 1024)
        try #require(try test.call(.initialize(), lending: false).errno == 0)
        let queue = test.driver.requests
        let chains = (0..<UInt64(count)).map { number in
            var message = FUSEMessage.statfs()
            message.header.unique = 2 * number
            return queue.prepare(message.bytes, writable: [4096])
        }
        queue.stage(chains.map(\.head))
        breakRing(queue)
        queue.publish()
        queue.kick(lending: false)
        return (test, chains)
    }

    @Test(
        "Of a batch, what was served before a request that blocks is returned, and what is behind it is served by others",
        .timeLimit(.minutes(5)))
    func blockedBatch() throws {
        for round in 0..<10 {
            let gate = Gate()
            // Once a second thread has come: the first of a batch, the last, and those between.
            let stalls: @Sendable (UInt64) -> Bool = { $0 / 2 > 330 && $0 / 2 % 7 == 3 }
            let (test, chains) = try pile(400, stalls: stalls, at: gate)
            let queue = test.driver.requests
            for (number, chain) in chains.enumerated() where !stalls(UInt64(2 * number)) {
                #expect(try queue.collect(chain).reply?.errno == 0, "round \(round)")
            }
            #expect(gate.waitForArrivals(10))
            gate.letThrough()
            for (number, chain) in chains.enumerated() where stalls(UInt64(2 * number)) {
                #expect(try queue.collect(chain).reply?.errno == 0, "round \(round)")
            }
        }
    }

    @Test("Two threads return what came before a chain that breaks the ring, and nothing behind it")
    func brokenBatch() throws {
        for _ in 0..<20 {
            var before: UInt16 = 0
            let (test, chains) = try pile(100, at: Gate()) { queue in
                before = queue.ring.usedIndex.load()
                let good = queue.prepare(FUSEMessage.statfs().bytes, writable: [4096])
                queue.ring.setDescriptor(250, RawDescriptor(address: 0, length: 40, flags: 0, next: 0))
                queue.stage([250, good.head])
            }
            let queue = test.driver.requests
            #expect(test.driver.waitUntilNeedsReset())
            // What was popped before is still being served.
            test.transport.reset()
            #expect(queue.ring.usedIndex.load() &- before == UInt16(chains.count))
        }
    }

    private static func compute(nanoseconds: UInt64) {
        let end = monotonicNanoseconds() + nanoseconds
        while monotonicNanoseconds() < end { spinHint() }
    }

    // MARK: the judge

    /// A queue in which chains take a time that a test chooses.
    private struct Course {
        var judge = AssistanceJudge()
        var now: UInt64 = 1_000_000_000
        var chains: UInt64 = 0
        var isAssisted = false
        var calls = 0
        var share = 0
        /// Nanoseconds without an assistant.
        var alone: UInt64 = 0

        /// Serves so many chains, of which each takes so long alone and so long with an assistant.
        mutating func serve(_ count: Int, alone: UInt64, assisted: UInt64, hasBacklog: Bool = true) {
            for _ in 0..<count {
                chains += 1
                switch judge.consider(hasBacklog: hasBacklog, isAssisted: isAssisted, chains: chains, at: now) {
                case .asBefore: break
                case .call(let share):
                    isAssisted = true
                    calls += 1
                    self.share = share
                case .dismiss: isAssisted = false
                }
                now += isAssisted ? assisted : alone
                if !isAssisted { self.alone += alone }
            }
        }
    }

    @Test("Nobody is called where nothing waits, nor before chains have waited for 1 ms in all") func calm() {
        var course = Course()
        course.serve(1_000, alone: 100_000, assisted: 50_000, hasBacklog: false)
        #expect(course.calls == 0)
        for _ in 0..<9 {
            course.serve(51, alone: 2_000, assisted: 1_000)
            course.serve(1, alone: 50_000_000, assisted: 50_000_000, hasBacklog: false)
        }
        #expect(course.calls == 0, "0.9 ms")
        course.serve(1_000, alone: 2_000, assisted: 1_000)
        #expect(course.calls == 1)
    }

    @Test("Chains that take little time are popped several at once") func shares() {
        var course = Course()
        course.serve(1_000, alone: 15_000, assisted: 8_000)
        #expect(course.share == ChainBatch.largest)
        course = Course()
        course.serve(1_000, alone: 25_000, assisted: 13_000)
        #expect(course.share == 1)
    }

    @Test(
        "An assistant that makes more of it stays, but for a look each 0.1 s at what it is without",
        arguments: [100_000, 2_000])
    func worthwhile(cost: UInt64) {
        var course = Course()
        let start = course.now
        course.serve(200_000, alone: cost, assisted: cost * 8 / 10 / (cost == 2_000 ? 1 : 2))
        let looks = Int((course.now - start) / 100_000_000)
        #expect((looks * 9 / 10...looks + 1).contains(course.calls))
        #expect(course.alone * 50 < course.now - start, "the looks take no time that counts")
    }

    @Test("One that is worth its while stays where chains of one kind wait together, and then of another")
    func phases() {
        var course = Course()
        let start = course.now
        for _ in 0..<5_000 {
            course.serve(64, alone: 6_000, assisted: 4_800)
            course.serve(64, alone: 1_000, assisted: 800)
        }
        let looks = Int((course.now - start) / 100_000_000)
        #expect(course.calls <= looks + 1)
        #expect(course.alone * 50 < course.now - start)
    }

    @Test("One that is worth its while and went because nothing waited comes as soon as something does")
    func comesAgain() {
        var course = Course()
        course.serve(10_000, alone: 2_000, assisted: 1_000)
        #expect(course.calls == 1)
        course.isAssisted = false
        course.serve(1, alone: 2_000, assisted: 1_000, hasBacklog: false)
        course.serve(1, alone: 2_000, assisted: 1_000)
        #expect(course.calls == 2)
    }

    @Test("Who has been called for nothing, because others serve, too, measures anew") func startsOver() {
        var course = Course()
        course.serve(600, alone: 2_000, assisted: 1_000)
        #expect(course.calls == 1)
        (course.isAssisted, course.calls) = (false, 0)
        course.judge.startOver()
        course.serve(400, alone: 2_000, assisted: 1_000)
        #expect(course.calls == 0)
        course.serve(200, alone: 2_000, assisted: 1_000)
        #expect(course.calls == 1)
    }

    @Test("An assistant that is in vain goes, and comes again after pauses that grow to 0.16 s") func inVain() {
        var course = Course()
        let start = course.now
        course.serve(100_000, alone: 100_000, assisted: 95_000)
        #expect(!course.isAssisted)
        let pauses = Int((course.now - start) / 160_000_000)
        #expect((pauses * 9 / 10...pauses + 4).contains(course.calls), "10, 20, 40, 80 ms, then 160 each")
        #expect(course.alone * 100 > (course.now - start) * 95, "the trials take little of the time")
    }

    @Test("One that has been worth it stays while it makes less more than it had to make at first") func hysteresis() {
        var course = Course()
        course.serve(5_000, alone: 2_000, assisted: 1_600)
        #expect(course.isAssisted && course.calls == 1)
        course.serve(20_000, alone: 2_000, assisted: 1_850)
        #expect(course.isAssisted && course.calls == 1, "0.93 of the time")
        course.serve(20_000, alone: 2_000, assisted: 1_950)
        #expect(course.calls > 1, "sent away, and tried again")
    }
}
