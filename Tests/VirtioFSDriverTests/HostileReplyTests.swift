import CKernel
import FUSEWire
import Foundation
import Syscalls
import SystemPackage
import Testing
import Virtio
import VirtioFSDriver
import VirtioTestSupport

/// Generated replies, most of them wrong, each with what a call has to make of it.
struct HostileReplyTests {
    /// The seed of a run: printed, and taken from the environment to repeat one.
    static let seed = environmentNumber("VIRTIOFS_TEST_SEED") ?? .random(in: 0...(.max))
    static let caseCount = environmentNumber("VIRTIOFS_HOSTILE_REPLIES").map { Int($0) } ?? 60_000

    private static func environmentNumber(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test("Whatever a device answers, a call gets the answer or EIO, and the next one works")
    func generatedReplies() throws {
        print("hostile replies: VIRTIOFS_TEST_SEED=\(Self.seed), \(Self.caseCount) cases")
        let forge = ReplyForge(seed: Self.seed)
        let test = try DriverUnderTest { chain in forge.answer(chain) }
        var breakages = 0
        var counts: [String: Int] = [:]
        for number in 0..<Self.caseCount {
            let outcome = test.call(forge.nextRequest())
            let expected = forge.expectation
            counts[expected.name, default: 0] += 1
            if expected.breaksRing { breakages += 1 }
            guard expected.matches(outcome) else {
                Issue.record("case \(number), seed \(Self.seed): \(expected) but \(outcome)")
                return
            }
        }
        test.setScript { $0.answerZeros() }
        #expect(test.call(.getattr) == .success([UInt8](repeating: 0, count: 104)))
        #expect(test.inits.count == 1 + breakages, "one new session for each broken ring")
        let table = counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        print("hostile replies: \(table)")
    }
}
