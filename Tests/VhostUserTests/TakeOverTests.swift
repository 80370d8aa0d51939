import CKernel
import FUSEWire
import Glibc
import GuestMemory
import ServeSupport
import Syscalls
import SystemPackage
import Testing
import VirtioTestSupport

@testable import VhostUser

extension VhostUserTests {
    /// A back end that dies, and one that takes over (vhost-user, "Inflight I/O tracking").
    @Suite struct TakeOverTests {
        @Test("What was in flight when the back end was killed is answered by the next one", arguments: [false, true])
        func takesOver(packed: Bool) throws {
            let place = TemporaryFolder()
            var serve = try ServeProcess(at: place.path.appending("socket").string)
            var options = FrontEndOptions()
            options.keepsInflight = true
            try serve.folder.add("file")
            let driver = try RingDriver(serve, packed: packed, options: options)
            for round in 1...4 {
                let file = try driver.open("file")
                let waiting = try driver.blockOnLock(file)
                let blocked = try #require(waiting)
                serve.kill()
                let next = try ServeProcess(at: serve.socketPath)
                try next.folder.add("file")
                // Made available while nobody was there.
                let meanwhile = driver.send(.initialize(), kicks: false)
                try driver.transport.reconnect(to: FilePath(next.socketPath))
                // No session goes along: a request of the old one is answered so.
                #expect(try driver.reply(to: blocked)?.errno == EIO, "round \(round)")
                #expect(try driver.reply(to: meanwhile)?.errno == 0)
                serve = next
            }
            #expect(try driver.open("file").handle != 0)
        }

        @Test(
            "Rings that are stopped and started go on where they were, with the same records", arguments: [false, true])
        func restarts(packed: Bool) throws {
            let serve = try ServeProcess()
            var options = FrontEndOptions()
            options.keepsInflight = true
            let driver = try RingDriver(serve, packed: packed, options: options)
            for _ in 0..<50 {
                #expect(try driver.call(.initialize())?.errno == 0)
                // The device is the same, and the records say where it was.
                try driver.transport.reconnect(to: FilePath(serve.socketPath))
            }
        }

        @Test("Sizes that don't fit, and files that are too small, are refused")
        func refuses() throws {
            let serve = try ServeProcess("--queues", "2")
            let file = try MemoryFile(name: "inflight", size: 4096)
            func outcome(_ code: RequestCode, _ payload: [UInt8], _ files: [FileDescriptor]) throws -> Int? {
                let frontEnd = try RawFrontEnd(serve)
                frontEnd.negotiate()
                frontEnd.send(code, payload, files, needsReply: true)
                return frontEnd.reply()?.count
            }
            func description(_ size: UInt64, _ queues: UInt16, _ queueSize: UInt16, offset: UInt64 = 0) -> [UInt8] {
                var description = InflightDescription(size: size, queueCount: queues, queueSize: queueSize)
                description.offset = offset
                return bytes(of: description)
            }
            #expect(try outcome(.getInflight, description(0, 3, 64), []) == 24)
            // Without the padding of the C structure.
            #expect(try outcome(.getInflight, Array(description(0, 3, 64).prefix(20)), []) == 20)
            #expect(try outcome(.getInflight, description(0, 0, 64), []) == nil)
            #expect(try outcome(.getInflight, description(0, 4, 64), []) == nil)
            #expect(try outcome(.getInflight, description(0, 1, 0), []) == nil)
            #expect(try outcome(.getInflight, description(0, 1, 2048), []) == nil)
            #expect(try outcome(.setInflight, description(8192, 1, 64), [file.descriptor]) == 8)
            #expect(try refuses(serve, .setInflight, description(8192, 1, 64), [file.descriptor]))
            #expect(try refuses(serve, .setInflight, description(4096, 1, 64, offset: 100), [file.descriptor]))
            #expect(try refuses(serve, .setInflight, description(0, 1, 64), [file.descriptor]))
        }

        private func refuses(
            _ serve: ServeProcess, _ code: RequestCode, _ payload: [UInt8], _ files: [FileDescriptor]
        ) throws -> Bool {
            let frontEnd = try RawFrontEnd(serve)
            frontEnd.negotiate()
            return frontEnd.acknowledged(code, payload, files) == 1
        }
    }
}
