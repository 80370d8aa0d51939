import GuestMemory
import Syscalls
import SystemPackage
import Testing

/// The map refuses what cannot be an address space, and translates exactly what lies inside.
@Suite struct GuestMemoryMapTests {
    private static func region(_ start: UInt64, _ size: Int) throws -> GuestRegion {
        let file = try MemoryFile(name: "guest", size: size)
        return try GuestRegion(start: GuestAddress(start), mapping: file.descriptor, size: size)
    }

    private static func map(_ parts: [(start: UInt64, size: Int)]) throws -> GuestMemoryMap? {
        GuestMemoryMap(regions: try parts.map { try region($0.start, $0.size) })
    }

    @Test func emptyMapTranslatesNothing() throws {
        let map = try #require(GuestMemoryMap(regions: []))
        #expect(map.translate(GuestAddress(0), count: 0) == nil)
        #expect(map.locate(GuestAddress(0)) == nil)
    }

    @Test func regionsAreSortedWhateverTheirOrder() throws {
        let map = try #require(try Self.map([(0x9000, 4096), (0x1000, 4096), (0x4000, 8192)]))
        #expect(map.regions.map(\.start.rawValue) == [0x1000, 0x4000, 0x9000])
    }

    @Test func adjacentRegionsAreNoOverlap() throws {
        #expect(try Self.map([(0x1000, 4096), (0x2000, 4096)]) != nil)
    }

    @Test(
        arguments: [
            [(0x1000, 4096), (0x1fff, 4096)],
            [(0x1fff, 4096), (0x1000, 4096)],
            [(0x1000, 4096), (0x1000, 4096)],
            [(0x1000, 16384), (0x2000, 4096)],
            [(0x1000, 1), (0x1000, 1)],
        ] as [[(UInt64, Int)]])
    func overlappingRegionsAreRefused(_ parts: [(UInt64, Int)]) throws {
        #expect(try Self.map(parts) == nil)
    }

    @Test func regionThatWrapsPastTheAddressSpaceIsRefused() throws {
        #expect(try Self.map([(.max - 4094, 4096)]) == nil)
        #expect(try Self.map([(.max, 2)]) == nil)
        #expect(try Self.map([(0, 4096), (.max - 100, 4096)]) == nil)
    }

    @Test func lastByteIsInsideAndTheNextOutside() throws {
        let map = try #require(try Self.map([(0x1000, 4096)]))
        let base = map.regions[0].base
        #expect(map.translate(GuestAddress(0x1000), count: 4096) == base)
        #expect(map.translate(GuestAddress(0x1000), count: 4097) == nil)
        #expect(map.translate(GuestAddress(0x1fff), count: 1) == base + 4095)
        #expect(map.translate(GuestAddress(0x1fff), count: 2) == nil)
        #expect(map.translate(GuestAddress(0x2000), count: 1) == nil)
        #expect(map.translate(GuestAddress(0x0fff), count: 1) == nil)
    }

    @Test func nothingIsSomewhereOnlyInsideARegion() throws {
        let map = try #require(try Self.map([(0x1000, 4096)]))
        #expect(map.translate(GuestAddress(0x1fff), count: 0) != nil)
        #expect(map.translate(GuestAddress(0x2000), count: 0) == nil)
    }

    @Test func countsAndAddressesThatWrapAreOutside() throws {
        let map = try #require(try Self.map([(0, 4096), (.max - 8191, 4096)]))
        for count: UInt64 in [4097, 1 << 32, 1 << 63, .max - 1, .max] {
            #expect(map.translate(GuestAddress(0), count: count) == nil)
            #expect(map.translate(GuestAddress(.max - 8191), count: count) == nil)
        }
        #expect(map.translate(GuestAddress(.max - 8191), count: 4096) != nil)
        // One past the upper region, and an address that a wrapping sum would bring back into the lower one.
        #expect(map.translate(GuestAddress(.max - 4095), count: 1) == nil)
        #expect(map.translate(GuestAddress(.max), count: 2) == nil)
        #expect(GuestAddress(.max) + 1 == GuestAddress(0))
    }

    @Test func translationStopsAtTheBorderOfAdjacentRegions() throws {
        let map = try #require(try Self.map([(0x1000, 4096), (0x2000, 4096)]))
        #expect(map.translate(GuestAddress(0x1ffe), count: 2) != nil)
        #expect(map.translate(GuestAddress(0x1ffe), count: 3) == nil)
        let (base, available) = try #require(map.locate(GuestAddress(0x1ffe)))
        #expect(base == map.regions[0].base + 4094)
        #expect(available == 2)
    }

    /// A map of random regions against a model that knows the owner of each address by looking at all regions.
    @Test func agreesWithThePlainModel() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20 {
            var parts: [(start: UInt64, size: Int)] = []
            var next = UInt64.random(in: 0...100, using: &random)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                parts.append((next, Int.random(in: 1...50, using: &random)))
                next += UInt64(parts.last!.size) + UInt64.random(in: 0...20, using: &random)
            }
            let map = try #require(try Self.map(parts.shuffled(using: &random)))
            for address in 0..<next + 60 {
                let owner = map.regions.first { $0.start.rawValue <= address && address - $0.start.rawValue < $0.size }
                let left = owner.map { UInt64($0.size) - (address - $0.start.rawValue) }
                #expect(map.locate(GuestAddress(address))?.available == left)
                for count in UInt64(0)...55 {
                    let expected = left.flatMap { count <= $0 ? owner!.pointer(at: GuestAddress(address)) : nil }
                    if map.translate(GuestAddress(address), count: count) != expected {
                        Issue.record("\(address), \(count) in \(parts)")
                    }
                }
            }
        }
    }
}
