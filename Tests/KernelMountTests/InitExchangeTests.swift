import CKernel
import FUSEWire
import Testing

@testable import KernelMount

/// What a mount makes of a device's answer to INIT.
struct InitExchangeTests {
    private func request(readAhead: UInt32) -> [UInt8] {
        var offer = fuse_init_in()
        offer.max_readahead = readAhead
        return withUnsafeBytes(of: fuse_in_header()) { Array($0) } + withUnsafeBytes(of: offer) { Array($0) }
    }

    private func answer(readAhead: UInt32) -> [UInt8] {
        var answer = fuse_init_out()
        answer.max_readahead = readAhead
        return withUnsafeBytes(of: answer) { Array($0) }
    }

    @Test(
        "The device is offered 1 MiB to be read ahead, or what the kernel has if that is more", arguments: [0, 17, 21])
    func offer(power: Int) throws {
        let own = UInt32(1) << power
        let offered = InitExchange.offer(request(readAhead: own)).withUnsafeBytes {
            $0.loadUnaligned(fromByteOffset: MemoryLayout<fuse_in_header>.size, as: fuse_init_in.self).max_readahead
        }
        #expect(offered == max(own, 1 << 20))
    }

    @Test("Only more than the kernel's own is set, and no more than 1 MiB, whatever the device says")
    func readAhead() {
        let own: UInt32 = 128 << 10
        for (answered, expected) in [
            (0, nil), (own - 1, nil), (own, nil), (own + 4096, own + 4096), (1 << 20, 1 << 20), (.max, 1 << 20),
        ] as [(UInt32, UInt32?)] {
            #expect(InitExchange.readAhead(answer(readAhead: answered), beyond: request(readAhead: own)) == expected)
        }
        let most = answer(readAhead: .max)
        #expect(InitExchange.readAhead(most, beyond: request(readAhead: 2 << 20)) == nil)
        #expect(InitExchange.readAhead(Array(most.dropLast()), beyond: request(readAhead: own)) == nil)
        #expect(InitExchange.readAhead(most, beyond: []) == nil)
    }
}
