import Testing

@testable import VirtioFSDevice

/// For how long FORGETs may pile up.
@Suite struct CoalescingTests {
    /// Microseconds of each nap, after so many chains each.
    private func naps(_ counts: [UInt64], size: UInt16 = 128) -> [Int?] {
        var coalescing = Coalescing()
        var popped: UInt64 = 0
        return counts.map { count in
            popped += count
            return coalescing.nap(popped: popped, size: size).map { $0 / 1_000 }
        }
    }

    @Test("Where one comes, or none, the worker sleeps until it is told") func alone() {
        #expect(naps([0, 1, 1, 0, 1]) == [nil, nil, nil, nil, nil])
    }

    @Test("Where several come, it sleeps ever longer, to 1 ms, while they fill less than a quarter of the ring")
    func longer() {
        #expect(naps([2, 2, 31, 2, 2, 2, 2]) == [100, 200, 400, 800, 1_000, 1_000, 1_000])
        #expect(naps([8, 8, 8], size: 32) == [50, 50, 50])
    }

    @Test("It sleeps as long as before where they fill more, and half as long where the ring gets full") func shorter()
    {
        #expect(naps([2, 2, 2, 32, 64, 65, 128, 128, 128]) == [100, 200, 400, 400, 400, 200, 100, 50, 50])
    }

    @Test("Once they have ceased it begins anew") func anew() {
        #expect(naps([2, 2, 2, 1, 2]) == [100, 200, 400, nil, 100])
    }
}
