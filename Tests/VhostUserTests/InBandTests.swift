import CKernel
import FUSEWire
import GuestMemory
import ServeSupport
import Syscalls
import SystemPackage
import Testing
import VirtioTestSupport

@testable import VhostUser

extension VhostUserTests {
    /// Kicks, calls and errors as messages (vhost-user, "In-band notifications").
    @Suite struct InBandTests {
        let serve: ServeProcess

        init() throws { serve = try ServeProcess() }

        private var options: FrontEndOptions {
            var options = FrontEndOptions()
            options.usesInBandNotifications = true
            return options
        }

        @Test("A ring that is kicked and interrupted by messages", arguments: [false, true])
        func drives(packed: Bool) throws {
            let before = (serve.descriptorCount, serve.threadCount)
            do {
                let driver = try RingDriver(serve, packed: packed, options: options)
                for _ in 0..<100 { #expect(try driver.call(.initialize())?.errno == 0) }
            }
            #expect(serve.descriptorCount(settlingAt: before.0) == before.0)
            #expect(serve.threadCount == before.1)
        }

        @Test("A ring that the driver breaks is told of by a message")
        func error() throws {
            let transport = try FrontEndTransport(path: FilePath(serve.socketPath), options: options)
            let driver = try MockDriver(transport)
            driver.watchdogSeconds = 10
            defer { transport.reset() }
            try driver.bringUp()
            driver.requests.ring.setDescriptor(
                0, RawDescriptor(address: 1 << 50, length: 100, flags: RawDescriptor.write, next: 0))
            driver.requests.stage([0])
            driver.requests.publish()
            driver.requests.kick()
            #expect(driver.waitUntilNeedsReset())
        }

        @Test("Without a connection for the back end's requests, or acknowledgements, it is the end of the connection")
        func alone() throws {
            for missing in [ProtocolFeatures.backEndRequests, .acknowledgements] {
                let frontEnd = try RawFrontEnd(serve)
                frontEnd.send(.setProtocolFeatures, bytes(of: ProtocolFeatures.offered.subtracting(missing).rawValue))
                #expect(frontEnd.isClosed())
            }
        }

        @Test("A front end that does not answer the back end's requests loses them, and the device serves on")
        func silentFrontEnd() throws {
            let frontEnd = try RawFrontEnd(serve)
            frontEnd.negotiate(1 << 32 | 1 << 30)
            let memory = try PeerMemory(size: 1 << 20)
            frontEnd.send(.setMemoryTable, memory.table, [memory.descriptor])
            let pair = try FileDescriptor.socketPair()
            defer {
                try? pair.0.close()
                try? pair.1.close()
            }
            #expect(frontEnd.acknowledged(.setBackEndConnection, [], [pair.1]) == 0)
            frontEnd.send(.setRingSize, bytes(of: vhost_vring_state(index: 1, num: 64)))
            frontEnd.send(.setRingAddresses, bytes(of: PeerMemory.addresses(1)))
            frontEnd.send(.setRingEnable, bytes(of: vhost_vring_state(index: 1, num: 1)))
            for round in 1...20 {
                memory.offerInitialize()
                let kick = bytes(of: vhost_vring_state(index: 1, num: 0))
                #expect(frontEnd.acknowledged(.kickRing, kick) == 0)
                #expect(ServeProcess.wait(seconds: 5, pause: 200) { memory.usedIndex == UInt16(round) })
            }
            #expect(frontEnd.acknowledged(.setOwner) == 0)
        }
    }
}
