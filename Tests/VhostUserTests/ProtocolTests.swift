import CKernel
import ServeSupport
import Syscalls
import SystemPackage
import Testing

@testable import VhostUser

extension VhostUserTests {
    /// Single messages, right and wrong, against `serve`.
    @Suite struct ProtocolTests {
        let serve: ServeProcess

        init() throws { serve = try ServeProcess("--queues", "3", "--tag", "shared") }

        private func ring(_ index: UInt32, _ number: UInt32) -> [UInt8] {
            bytes(of: vhost_vring_state(index: index, num: number))
        }

        private func bits(_ numbers: UInt64...) -> UInt64 { numbers.reduce(0) { $0 | 1 << $1 } }

        @Test("The device's features, and the protocol's, are offered")
        func offers() throws {
            let frontEnd = try RawFrontEnd(serve)
            frontEnd.send(.getFeatures)
            // LOG_ALL, PROTOCOL_FEATURES, VERSION_1, INDIRECT_DESC, EVENT_IDX, RING_PACKED.
            #expect(frontEnd.number() == bits(26, 30, 32, 28, 29, 34))
            frontEnd.send(.getProtocolFeatures)
            // MQ, LOG_SHMFD, REPLY_ACK, BACKEND_REQ, CONFIG, INFLIGHT_SHMFD, RESET_DEVICE, INBAND_NOTIFICATIONS,
            // CONFIGURE_MEM_SLOTS, STATUS.
            #expect(frontEnd.number() == bits(0, 1, 3, 5, 9, 12, 13, 14, 15, 16))
            frontEnd.send(.getQueueCount)
            #expect(frontEnd.number() == 4)
            frontEnd.send(.getMemorySlotCount)
            #expect(try #require(frontEnd.number()) >= 32)
        }

        @Test("The configuration space is the device's; it can't be written")
        func configuration() throws {
            let frontEnd = try RawFrontEnd(serve)
            frontEnd.negotiate()
            let question = bytes(of: ConfigurationHead(offset: 0, size: 40)) + [UInt8](repeating: 0xff, count: 40)
            frontEnd.send(.getConfiguration, question)
            let space = try #require(frontEnd.reply()).dropFirst(12)
            #expect(Array(space.prefix(7)) == Array("shared".utf8) + [0])
            #expect(Array(space.suffix(4)) == [3, 0, 0, 0])
            let beyond = bytes(of: ConfigurationHead(offset: 300, size: 4)) + [0, 0, 0, 0]
            frontEnd.send(.getConfiguration, beyond)
            #expect(try #require(frontEnd.reply())[4..<8].allSatisfy { $0 == 0 })
            #expect(frontEnd.acknowledged(.setConfiguration, question) == 1)
            frontEnd.send(.setConfiguration, question)
            #expect(frontEnd.isClosed())
        }

        @Test("The status is kept; FEATURES_OK only with VERSION_1")
        func status() throws {
            let frontEnd = try RawFrontEnd(serve)
            frontEnd.negotiate(1 << 30)
            #expect(frontEnd.acknowledged(.setStatus, bytes(of: UInt64(0x0b))) == 0)
            frontEnd.send(.getStatus)
            #expect(frontEnd.number() == 0x03)
            #expect(frontEnd.acknowledged(.setFeatures, bytes(of: RawFrontEnd.features)) == 0)
            #expect(frontEnd.acknowledged(.setStatus, bytes(of: UInt64(0x0b))) == 0)
            frontEnd.send(.getStatus)
            #expect(frontEnd.number() == 0x0b)
            #expect(frontEnd.acknowledged(.resetDevice) == 0)
            frontEnd.send(.getStatus)
            #expect(frontEnd.number() == 0)
        }

        @Test("The base that was set is the base that is told, while the ring never ran")
        func base() throws {
            let frontEnd = try RawFrontEnd(serve)
            frontEnd.negotiate()
            #expect(frontEnd.acknowledged(.setRingBase, ring(2, 77)) == 0)
            frontEnd.send(.getRingBase, ring(2, 0))
            #expect(frontEnd.reply() == ring(2, 77))
        }

        /// Messages that are wrong each in one way, for a connection that has negotiated.
        static let wrong: [(name: String, code: UInt32, payload: [UInt8], descriptors: Int)] = [
            ("unknown request", 99, [], 0),
            ("a request without its payload", RequestCode.setFeatures.rawValue, [], 0),
            ("a payload too long", RequestCode.setFeatures.rawValue, [UInt8](repeating: 0, count: 9), 0),
            ("features not offered", RequestCode.setFeatures.rawValue, bytes(of: UInt64(1) << 33), 0),
            ("no such queue", RequestCode.setRingEnable.rawValue, bytes(of: vhost_vring_state(index: 4, num: 1)), 0),
            ("queue size 0", RequestCode.setRingSize.rawValue, bytes(of: vhost_vring_state(index: 0, num: 0)), 0),
            ("queue too large", RequestCode.setRingSize.rawValue, bytes(of: vhost_vring_state(index: 0, num: 2048)), 0),
            ("a kick without its descriptor", RequestCode.setRingKick.rawValue, bytes(of: UInt64(0)), 0),
            ("a kick with two", RequestCode.setRingKick.rawValue, bytes(of: UInt64(0)), 2),
            ("polling with a descriptor", RequestCode.setRingKick.rawValue, bytes(of: UInt64(0x100)), 1),
            ("descriptors where none belong", RequestCode.setFeatures.rawValue, bytes(of: RawFrontEnd.features), 3),
            (
                "nine regions", RequestCode.setMemoryTable.rawValue,
                bytes(of: UInt64(9)) + [UInt8](repeating: 0, count: 288), 9
            ),
            (
                "a region without descriptor", RequestCode.setMemoryTable.rawValue,
                bytes(of: UInt64(1)) + [UInt8](repeating: 1, count: 32), 0
            ),
            (
                "a region that is not there", RequestCode.removeMemoryRegion.rawValue, [UInt8](repeating: 0, count: 40),
                0
            ),
        ]

        @Test(
            "A wrong message is refused where an answer is wanted, and ends the connection where not",
            arguments: wrong.indices)
        func refuses(index: Int) throws {
            let wrong = Self.wrong[index]
            let before = serve.descriptorCount
            let event = try EventDescriptor()
            let descriptors = Array(repeating: event.descriptor, count: wrong.descriptors)
            do {
                let frontEnd = try RawFrontEnd(serve)
                frontEnd.negotiate()
                let asking = MessageHeader(request: wrong.code, payloadSize: wrong.payload.count, needsReply: true)
                frontEnd.send(bytes(of: asking) + wrong.payload, descriptors)
                #expect(frontEnd.number() == 1)
                let telling = MessageHeader(request: wrong.code, payloadSize: wrong.payload.count)
                frontEnd.send(bytes(of: telling) + wrong.payload, descriptors)
                #expect(frontEnd.isClosed(), "\(wrong.name)")
            }
            #expect(serve.descriptorCount(settlingAt: before) == before)
            #expect(serve.isRunning)
        }

        @Test("A message that is none ends the connection: version, length, end in the middle")
        func framing() throws {
            let version = try RawFrontEnd(serve)
            version.send([1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])
            #expect(version.isClosed())
            let length = try RawFrontEnd(serve)
            length.send([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x10])
            #expect(length.isClosed())
            do {
                let short = try RawFrontEnd(serve)
                short.send([1, 0, 0, 0, 1])
            }
            let next = try RawFrontEnd(serve)
            next.send(.getQueueCount)
            #expect(next.number() == 4)
            #expect(serve.log.split(separator: "\n").count == 3)
        }

        @Test("A peer that stops reading loses its connection, and the next one is served")
        func stopsReading() throws {
            let frontEnd = try RawFrontEnd(serve)
            // A reply to it finds no room for five seconds.
            #expect(frontEnd.isCutOffWithoutReading())
            let next = try RawFrontEnd(serve)
            next.send(.getQueueCount)
            #expect(next.number() == 4)
        }

        @Test("A front end that waits for its turn does not keep SIGTERM from ending the process")
        func terminates() throws {
            let first = try RawFrontEnd(serve)
            let second = try RawFrontEnd(serve)
            first.send(.getQueueCount)
            #expect(first.number() == 4)
            second.send(.getQueueCount)
            #expect(serve.terminate() == 0)
            #expect((try? FileDescriptor.open(serve.socketPath, .readOnly)) == nil)
        }
    }
}
