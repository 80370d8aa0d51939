import Glibc
import ServeSupport
import Syscalls
import Testing
import VirtioTestSupport

@testable import VhostUser

extension VhostUserTests {
    /// Messages that nobody in his right mind sends.
    @Suite struct HostileTests {
        static let messageCount = 100_000

        @Test("Hostile messages end connections, never the process, and leave nothing behind")
        func survives() throws {
            let seed =
                UInt64(getenv("VIRTIOFS_SEED").flatMap { String(cString: $0) } ?? "")
                ?? UInt64.random(in: .min ... .max)
            print("VIRTIOFS_SEED=\(seed)")
            let serve = try ServeProcess("--queues", "2", "--log-level", "off", "--poll-us", "0")
            let descriptors = serve.descriptorCount
            let threads = serve.threadCount
            let mappings = serve.guestMappingCount
            let peer = try HostilePeer(seed: seed)
            var connections = 0
            while peer.takenCount < Self.messageCount {
                try peer.attack(RawFrontEnd(serve))
                connections += 1
                try #require(serve.isRunning, "seed \(seed), message \(peer.takenCount)")
            }
            print(
                "\(peer.takenCount) messages taken in over \(connections) connections, \(peer.ringCount) rings set up")
            #expect(serve.descriptorCount(settlingAt: descriptors) == descriptors, "seed \(seed)")
            #expect(serve.threadCount == threads)
            #expect(serve.guestMappingCount == mappings)
            try serve.folder.add("hello.txt", Array("hello".utf8))
            let client = try Client(serve)
            #expect(try client.read(client.lookup("hello.txt")) == Array("hello".utf8))
            client.close()
            #expect(serve.terminate() == 0)
        }
    }
}
