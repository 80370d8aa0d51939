import CKernel
import FUSEWire
import GuestMemory
import ServeSupport
import Syscalls
import SystemPackage
import Testing
import Virtio
import VirtioTestSupport
import Virtqueue

@testable import VhostUser

extension VhostUserTests {
    /// The log of written pages (vhost-user, "Migration").
    @Suite struct MigrationTests {
        private func page(_ address: GuestAddress) -> GuestAddress { GuestAddress(address.rawValue & ~4095) }

        private func read(_ file: (node: NodeID, handle: UInt64), size: UInt32) -> FUSEMessage {
            var arguments = fuse_read_in()
            arguments.fh = file.handle
            arguments.size = size
            return FUSEMessage(.read, node: file.node).with(arguments)
        }

        @Test(
            "Just the pages that the device writes are in the log, those of the ring among them",
            arguments: [false, true])
        func logs(packed: Bool) throws {
            let serve = try ServeProcess()
            try serve.folder.add("file", [UInt8](repeating: 7, count: 20_000))
            let driver = try RingDriver(serve, packed: packed)
            let file = try driver.open("file")
            #expect(driver.transport.takeLoggedPages() == [])
            try driver.transport.startLog()
            for round in 1...30 {
                let token = driver.send(read(file, size: 20_000), room: 20_016)
                #expect(try driver.reply(to: token)?.errno == 0)
                // All of it is noted once the rings stand still; a message that asks something is answered after that.
                let room = driver.room(of: token)
                var expected = Set((0..<5).map { page(room + UInt64($0) * 4096) })
                let ring = driver.configuration
                // All of either ring lies in the one page.
                expected.insert(page(ring.descriptorArea))
                expected.insert(page(ring.deviceArea))
                #expect(waitForLog(driver, expected), "round \(round)")
            }
            try driver.transport.stopLog()
            #expect(try driver.call(read(file, size: 100))?.errno == 0)
            #expect(driver.transport.takeLoggedPages() == [])
        }

        /// The device tells the driver before it notes; so the pages come in a moment, and no others.
        private func waitForLog(_ driver: RingDriver, _ expected: Set<GuestAddress>) -> Bool {
            var found = Set<GuestAddress>()
            let isComplete = ServeProcess.wait(seconds: 10, pause: 200) {
                found.formUnion(driver.transport.takeLoggedPages())
                return found.isSuperset(of: expected)
            }
            return isComplete && found == expected
        }

        @Test("What two threads serve in batches is noted, too", arguments: [false, true])
        func logsBatches(packed: Bool) throws {
            let serve = try ServeProcess()
            try serve.folder.add("file")
            let driver = try RingDriver(serve, packed: packed, memorySize: 32 << 20)
            _ = try driver.open("file")
            try driver.transport.startLog()
            let ring = [page(driver.configuration.descriptorArea), page(driver.configuration.deviceArea)]
            for round in 1...100 {
                let message = FUSEMessage(.getattr, node: .root).with(fuse_getattr_in())
                let tokens = (0..<32).map { _ in driver.send(message, kicks: false) }
                driver.transport.doorbell(1)?.ring(lending: false)
                for token in tokens { #expect(try driver.reply(to: token)?.errno == 0) }
                #expect(waitForLog(driver, Set(tokens.map { page(driver.room(of: $0)) } + ring)), "round \(round)")
            }
            #expect(Affinity.count < 2 || serve.runTime(ofThreads: "request-1+") > 0, "there was a second thread")
        }

        @Test("A call that blocked before the log was turned on is noted when it returns, and goes on meanwhile")
        func logsOldChains() throws {
            let serve = try ServeProcess()
            try serve.folder.add("file")
            let driver = try RingDriver(serve, packed: false)
            let file = try driver.open("file")
            let waiting = try driver.blockOnLock(file)
            let blocked = try #require(waiting)
            try driver.transport.startLog()
            #expect(try driver.unlock(file)?.errno == 0)
            #expect(try driver.reply(to: blocked)?.errno == 0)
            let page = page(driver.room(of: blocked))
            var found = Set<GuestAddress>()
            #expect(
                ServeProcess.wait(seconds: 10, pause: 200) {
                    found.formUnion(driver.transport.takeLoggedPages())
                    return found.contains(page)
                })
        }

        @Test("The used ring is noted at the address that the front end wants; the log has to cover the memory")
        func logAddress() throws {
            let serve = try ServeProcess()
            let frontEnd = try RawFrontEnd(serve)
            frontEnd.negotiate(1 << 32 | 1 << 30)
            let memory = try PeerMemory(size: 1 << 20)
            let kick = try EventDescriptor()
            frontEnd.send(.setMemoryTable, memory.table, [memory.descriptor])
            frontEnd.start(1, kick.descriptor)
            // Memory ends at 2 MiB: 512 pages, 64 bytes of log.
            let file = try MemoryFile(name: "log", size: 8192)
            func setLog(_ size: UInt64) -> [UInt8]? {
                frontEnd.send(.setLogBase, bytes(of: LogDescription(size: size, offset: 4096)), [file.descriptor])
                return frontEnd.reply()
            }
            #expect(setLog(4096) == bytes(of: UInt64(0)))
            #expect(frontEnd.acknowledged(.setFeatures, bytes(of: UInt64(1 << 32 | 1 << 30 | 1 << 26))) == 0)
            var addresses = PeerMemory.addresses(1)
            addresses.flags = 1
            addresses.log_guest_addr = 0x500_0000
            #expect(frontEnd.acknowledged(.setRingAddresses, bytes(of: addresses)) == 0)
            let log = try MemoryMapping(sharing: file.descriptor, offset: 4096, size: 4096)
            memory.offerInitialize()
            kick.ring()
            func bits(_ page: Int) -> UInt8 { log.base.load(fromByteOffset: page / 8, as: UInt8.self) }
            // The reply is at 0x12_1000.
            #expect(
                ServeProcess.wait(seconds: 10, pause: 200) { bits(0x5000) == 1 && bits(0x121) == 1 << (0x121 % 8) })
            #expect(setLog(8) == nil)
        }
    }
}
