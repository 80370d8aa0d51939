import FUSEWire
import HostDirectory
import Testing
import VirtioFSDevice
import VirtioTestSupport

/// Generated cases against the whole device and a real host folder: never a crash, a hang, a reply that is none, a byte
/// outside the buffers or outside the share, or a descriptor that stays open.
struct HostileTests {
    @Test("Requests: two thirds as a client would send them or nearly so, and chains and rings that nobody should")
    func generatedCases() throws {
        let seed = HostileSettings.seed
        print("hostile cases: VIRTIOFS_TEST_SEED=\(seed), \(HostileSettings.cases) cases")
        for (index, kick) in ServiceOptions.KickPolicy.allCases.enumerated() {
            // Waking a worker costs more than to serve the request: most of the cases go without.
            let share = kick == .adaptive ? 9 : 1
            try run(seed &+ UInt64(index), kick, HostileSettings.cases * share / 10)
        }
    }

    private func run(_ seed: UInt64, _ kick: ServiceOptions.KickPolicy, _ cases: Int) throws {
        let run = try HostileRun(seed: seed, kick: kick)
        var dice = SeededGenerator(seed: ~seed)
        for number in 0..<cases {
            do {
                // A broken ring costs the session, so that a while without one comes before a while of them.
                let takesRequests = number % 1000 < 780
                switch Int.random(in: 0..<100, using: &dice) {
                case 0 where takesRequests: try run.sendBurst()
                case 1..<5 where takesRequests: try run.changeInFlight()
                case _ where takesRequests: try run.sendRequest()
                case 0..<3: try run.breakRing()
                default: try run.sendChain()
                }
            } catch {
                Issue.record("case \(number) of \(kick), seed \(seed): \(error)")
                throw error
            }
        }
        try run.finish()
        print(
            "hostile cases, kicks \(kick): \(run.tally.total) requests in right chains, \(run.tally.reached) of them reached the folder\n\(run.tally.table)"
        )
        print("hostile chains: \(run.chainOutcomes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })")
        #expect(run.tally.reached >= cases / 2, "requests that reached the file system")
        #expect(run.files.openHandleCount == 0 && run.files.lookupCount == 0)
        #expect(try run.share.openDescriptorCount == run.descriptorsBefore, "descriptors of the share that stayed open")
        #expect(run.share.changesOutside().isEmpty)
    }
}
