import CKernel
import FUSEWire
import GuestMemory
import ServeSupport
import Syscalls
import SystemPackage
import Testing
import Virtqueue
import VirtioTestSupport

@testable import VhostUser

extension VhostUserTests {
    /// Regions that come and go, and one that shrinks.
    @Suite struct MemoryTests {
        let serve: ServeProcess

        init() throws { serve = try ServeProcess() }

        /// Sends INIT with its reply's buffer in `region`; the reply's length.
        private func initialize(_ driver: MockDriver, replyIn region: GuestRegion) throws -> UInt32 {
            let request = FUSEMessage.initialize().bytes
            let place = driver.memory.allocate(request.count, alignment: 8)
            driver.memory.write(request, at: place)
            let queue = driver.requests
            let readable = GuestBuffer(place, count: UInt32(request.count))
            queue.ring.setDescriptor(0, RawDescriptor(readable, flags: RawDescriptor.next, next: 1))
            let writable = GuestBuffer(region.start, count: 4096)
            queue.ring.setDescriptor(1, RawDescriptor(writable, flags: RawDescriptor.write))
            queue.stage([0])
            queue.publish()
            queue.kick()
            return try queue.waitForUsed(0)
        }

        @Test("Regions are added and removed while queues run; a buffer is good while its region is there")
        func hotplug() throws {
            let transport = try FrontEndTransport(path: FilePath(serve.socketPath))
            let driver = try MockDriver(transport)
            driver.watchdogSeconds = 10
            defer { transport.reset() }
            try driver.bringUp()
            let before = serve.descriptorCount
            for round in 1...20 {
                let regions = try (0..<8).map { index in
                    let file = try MemoryFile(name: "hotplug", size: 1 << 16)
                    return try GuestRegion(start: GuestAddress(UInt64(round * 8 + index) << 32), keeping: file)
                }
                for region in regions { try transport.addMemory(region) }
                for region in regions {
                    #expect(try initialize(driver, replyIn: region) == 80)
                    #expect(region.base.load(as: UInt32.self) == 80)
                }
                for region in regions { try transport.removeMemory(region) }
            }
            #expect(serve.descriptorCount == before)
            let gone = try GuestRegion(
                start: GuestAddress(1 << 40), keeping: MemoryFile(name: "gone", size: 1 << 16))
            try transport.addMemory(gone)
            try transport.removeMemory(gone)
            driver.watchdogSeconds = 1
            #expect(throws: MockDriverError.hangs(queue: 1)) { try initialize(driver, replyIn: gone) }
            // The ring is broken, and its error descriptor says so.
            #expect(driver.waitUntilNeedsReset())
            driver.watchdogSeconds = 10
            try driver.bringUp()
            #expect(try driver.requests.send(FUSEMessage.initialize().bytes).reply?.errno == 0)
        }

        @Test(
            "A call that blocks goes on while regions come and go and all of the table is replaced",
            arguments: [false, true])
        func hotplugUnderChains(packed: Bool) throws {
            try serve.folder.add("file")
            let mappings = serve.guestMappingCount
            do {
                let driver = try RingDriver(serve, packed: packed)
                let running = serve.guestMappingCount
                let file = try driver.open("file")
                // Its answer goes where soon nothing is.
                let region = try hotplugged(1)
                try driver.transport.addMemory(region)
                let waiting = try driver.blockOnLock(file, replyIn: region)
                let blocked = try #require(waiting)
                try driver.transport.removeMemory(region)
                for round in 2...50 {
                    let region = try hotplugged(round)
                    try driver.transport.addMemory(region)
                    let token = driver.send(FUSEMessage(.statfs), replyIn: region)
                    #expect(try driver.reply(to: token)?.errno == 0)
                    try driver.transport.removeMemory(region)
                    if round % 10 == 0 { try driver.transport.share(driver.memory.map) }
                    #expect(try driver.call(FUSEMessage(.statfs))?.errno == 0)
                }
                // What the call was made in, and what it is to answer into, and what there is now.
                let isKept = ServeProcess.wait(seconds: 10) { serve.guestMappingCount == running + 2 }
                #expect(isKept, "\(serve.guestMappingCount) mappings")
                #expect(try driver.unlock(file)?.errno == 0)
                #expect(try driver.reply(to: blocked)?.isWellFormed(unique: 77, usedLength: 16) == true)
                withExtendedLifetime(region) {}
                #expect(try driver.call(FUSEMessage(.statfs))?.errno == 0)
                #expect(ServeProcess.wait(seconds: 10) { serve.guestMappingCount == running })
            }
            #expect(ServeProcess.wait(seconds: 10) { serve.guestMappingCount == mappings })
        }

        private func hotplugged(_ number: Int) throws -> GuestRegion {
            let file = try MemoryFile(name: "hotplug", size: 1 << 16)
            return try GuestRegion(start: GuestAddress(UInt64(number) << 32), keeping: file)
        }

        @Test("Regions that overlap, in the guest's or in the front end's addresses, are refused")
        func overlap() throws {
            let frontEnd = try RawFrontEnd(serve)
            frontEnd.negotiate()
            let file = try MemoryFile(name: "overlap", size: 1 << 20)
            func add(_ guest: UInt64, _ user: UInt64, size: UInt64 = 0x1000, offset: UInt64 = 0) -> UInt64? {
                let region = MemoryRegionDescription(
                    guestAddress: guest, size: size, userAddress: user, fileOffset: offset)
                return frontEnd.acknowledged(
                    .addMemoryRegion, bytes(of: SingleRegionMessage(region: region)), [file.descriptor])
            }
            #expect(add(0x1000, 0x10_0000) == 0)
            #expect(add(0x1fff, 0x20_0000) == 1)
            #expect(add(0x3000, 0x10_0fff) == 1)
            #expect(add(0x2000, 0x10_1000) == 0)
            #expect(add(0x4000, 0x30_0000, size: 0) == 1)
            #expect(add(0x4000, 0x30_0000, size: 0x1000, offset: 0x800) == 1)
            #expect(add(0x4000, 0x30_0000, size: (1 << 20) + 1) == 1)
            #expect(add(0x4000, 0x30_0000, size: 0x1000, offset: 1 << 20) == 1)
            #expect(add(.max - 5, 0x30_0000) == 1)
            #expect(add(0x4000, .max - 5) == 1)
            #expect(add(0x4000, 0x30_0000, size: 1 << 20) == 0)
        }

        @Test("A peer that shrinks its memory under a running ring loses that memory, and nobody else anything")
        func shrinks() throws {
            let before = serve.descriptorCount
            for keeps in [0, 0x3000, 0x4000] {
                let frontEnd = try RawFrontEnd(serve)
                frontEnd.negotiate()
                let memory = try PeerMemory(size: 1 << 20)
                let kick = try EventDescriptor()
                frontEnd.send(.setMemoryTable, memory.table, [memory.descriptor])
                frontEnd.start(1, kick.descriptor)
                // The ring runs once this is answered.
                #expect(frontEnd.acknowledged(.setOwner) == 0)
                try memory.resize(to: keeps)
                for _ in 0..<10 { kick.ring() }
                frontEnd.send(.getRingBase, bytes(of: vhost_vring_state(index: 1, num: 0)))
                #expect(frontEnd.reply()?.count == 8)
                #expect(serve.isRunning)
            }
            #expect(serve.descriptorCount(settlingAt: before) == before)
            let client = try Client(serve)
            client.close()
        }
    }
}
