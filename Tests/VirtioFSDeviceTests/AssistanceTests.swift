import FUSEWire
import Synchronization
import Syscalls
import SystemPackage
import Testing
import VirtioTestSupport

@testable import VirtioFSDevice

/// A second thread for a queue in which requests pile up.
@Suite struct AssistanceTests {
    @Test("Where requests that take long pile up, a second thread serves beside the first", arguments: [2, 1])
    func secondThread(processors: Int) throws {
        let gate = Gate()
        let calls = Atomic<Int>(0)
        let test = try DeviceUnderTest(
            configure: { $0.service.processors = processors },
            hook: { opcode, _ throws(Errno) in
                guard opcode == .statfs else { return }
                let number = calls.wrappingAdd(1, ordering: .relaxed).oldValue
                if number >= 8 { gate.pass() } else { Self.compute(nanoseconds: 200_000) }
            })
        try test.open()
        let queue = test.driver.requests
        let chains = (0..<24).map { _ in queue.prepare(FUSEMessage.statfs().bytes, writable: [4096]) }
        queue.stage(chains.map(\.head))
        queue.publish()
        queue.kick(lending: false)
        #expect(
            gate.waitForArrivals(processors), "nobody says that he may block, so each thread waits with one request")
        gate.letThrough()
        for chain in chains { #expect(try queue.collect(chain).reply?.errno == 0) }
        #expect(processors == 2 || gate.arrivalCount == 16)
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

        /// Serves so many chains, of which each takes so long alone and so long with an assistant.
        mutating func serve(_ count: Int, alone: UInt64, assisted: UInt64, hasBacklog: Bool = true) {
            for _ in 0..<count {
                chains += 1
                switch judge.consider(hasBacklog: hasBacklog, isAssisted: isAssisted, chains: chains, at: now) {
                case .asBefore: break
                case .call:
                    isAssisted = true
                    calls += 1
                case .dismiss: isAssisted = false
                }
                now += isAssisted ? assisted : alone
            }
        }
    }

    @Test("Nobody is called for what takes little time, nor where nothing waits") func cheap() {
        var course = Course()
        course.serve(100_000, alone: 2_000, assisted: 1_000)
        #expect(course.calls == 0)
        course.serve(1_000, alone: 100_000, assisted: 50_000, hasBacklog: false)
        #expect(course.calls == 0)
    }

    @Test("An assistant that makes more of it stays, until requests take little time") func worthwhile() {
        var course = Course()
        course.serve(10_000, alone: 100_000, assisted: 55_000)
        #expect(course.calls == 1 && course.isAssisted)
        course.serve(10_000, alone: 2_000, assisted: 1_500)
        #expect(course.calls == 1 && !course.isAssisted)
    }

    @Test("An assistant that is in vain goes, and comes again after pauses that grow to a second") func inVain() {
        var course = Course()
        let start = course.now
        course.serve(100_000, alone: 100_000, assisted: 95_000)
        #expect(!course.isAssisted)
        let seconds = Int((course.now - start) / 1_000_000_000)
        #expect((7...7 + seconds).contains(course.calls), "10, 20, 40, ... 640 ms, then a second each")
    }
}
