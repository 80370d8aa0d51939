import CKernel
import Glibc
import GuestMemory
import ServeSupport
import Syscalls
import SystemPackage
import Testing
import VirtioTestSupport

@testable import VhostUser

extension VhostUserTests {
    /// When a ring is processed, and when not (vhost-user, "Ring states").
    @Suite final class RingStateTests {
        let serve: ServeProcess
        let memory: PeerMemory
        let frontEnd: RawFrontEnd
        let kick: EventDescriptor

        init() throws {
            serve = try ServeProcess()
            memory = try PeerMemory(size: 1 << 20)
            frontEnd = try RawFrontEnd(serve)
            kick = try EventDescriptor()
            // No event index: every chain is interrupted for.
            frontEnd.negotiate(1 << 32 | 1 << 30)
            frontEnd.send(.setMemoryTable, memory.table, [memory.descriptor])
        }

        private func describe(base: UInt32 = 0) {
            frontEnd.send(.setRingSize, bytes(of: vhost_vring_state(index: 1, num: 64)))
            frontEnd.send(.setRingBase, bytes(of: vhost_vring_state(index: 1, num: base)))
            frontEnd.send(.setRingAddresses, bytes(of: PeerMemory.addresses(1)))
        }

        private func setKick() { frontEnd.send(.setRingKick, bytes(of: UInt64(1)), [kick.descriptor]) }

        private func enable(_ on: UInt32) {
            #expect(frontEnd.acknowledged(.setRingEnable, bytes(of: vhost_vring_state(index: 1, num: on))) == 0)
        }

        private func reachesUsed(_ index: UInt16, seconds: Double = 5) -> Bool {
            ServeProcess.wait(seconds: seconds, pause: 1000) { memory.usedIndex == index }
        }

        @Test("A ring without a kick descriptor is polled")
        func polling() {
            describe()
            frontEnd.send(.setRingKick, bytes(of: UInt64(0x101)))
            enable(1)
            memory.offerInitialize()
            #expect(reachesUsed(1))
            usleep(20_000)
            memory.offerInitialize()
            #expect(reachesUsed(2))
        }

        @Test("A disabled ring is left alone; once enabled, what waits is served without a kick")
        func disabled() {
            describe()
            setKick()
            memory.offerInitialize()
            kick.ring()
            enable(0)
            #expect(!reachesUsed(1, seconds: 0.1))
            enable(1)
            #expect(reachesUsed(1))
        }

        @Test("A stopped ring is left alone, and goes on where it was when it is started again")
        func restarts() throws {
            describe()
            setKick()
            enable(1)
            memory.offerInitialize()
            kick.ring()
            #expect(reachesUsed(1))
            frontEnd.send(.getRingBase, bytes(of: vhost_vring_state(index: 1, num: 0)))
            #expect(frontEnd.reply() == bytes(of: vhost_vring_state(index: 1, num: 1)))
            memory.offerInitialize()
            kick.ring()
            #expect(!reachesUsed(2, seconds: 0.1))
            describe(base: 1)
            setKick()
            #expect(reachesUsed(2))
        }

        @Test("The interrupt goes where the front end wants it, also when that changes while the ring runs")
        func call() throws {
            describe()
            setKick()
            enable(1)
            for round in 1...50 {
                let call = try EventDescriptor()
                #expect(frontEnd.acknowledged(.setRingCall, bytes(of: UInt64(1)), [call.descriptor]) == 0)
                memory.offerInitialize()
                kick.ring()
                #expect(reachesUsed(UInt16(round)))
                #expect(Readiness.wait(readable: [call.descriptor], milliseconds: 5000)[0])
            }
        }
    }
}

extension PeerMemory {
    /// Makes INIT available in split ring 1, with room for its reply; always the same two descriptors.
    func offerInitialize() {
        let ring = base + 0x3000
        let request = FUSEMessage.initialize().bytes
        (base + 0x2_0000).copyMemory(from: request, byteCount: request.count)
        let start = Self.guestAddress
        let readable = RawDescriptor(
            address: start + 0x2_0000, length: UInt32(request.count), flags: RawDescriptor.next, next: 1)
        let writable = RawDescriptor(address: start + 0x2_1000, length: 4096, flags: RawDescriptor.write, next: 0)
        let descriptors = readable.bytes + writable.bytes
        ring.copyMemory(from: descriptors, byteCount: descriptors.count)
        let index = (ring + 0x1002).load(as: UInt16.self)
        (ring + 0x1004 + 2 * Int(index % 64)).storeBytes(of: 0, as: UInt16.self)
        fullFence()
        publish(1, count: 1)
        fullFence()
    }

    var usedIndex: UInt16 {
        fullFence()
        return (base + 0x5002).load(as: UInt16.self)
    }
}
