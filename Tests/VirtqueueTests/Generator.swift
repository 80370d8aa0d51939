import Glibc

/// Random numbers that a seed repeats. `VIRTIOFS_TEST_SEED` sets the seed of the whole run; it is printed once.
struct Generator: RandomNumberGenerator {
    static let seed: UInt64 = {
        let given = getenv("VIRTIOFS_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
        let seed = given ?? UInt64.random(in: 0 ... .max)
        print("VIRTIOFS_TEST_SEED=\(seed)")
        return seed
    }()

    private var state: UInt64

    /// - Parameter salt: tells the generators of one run apart.
    init(_ salt: Int) { state = Self.seed &+ UInt64(bitPattern: Int64(salt)) &* 0x9e37_79b9_7f4a_7c15 }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return mixed(state)
    }

    /// A number below `limit`, which is small: the bias is of no account here.
    mutating func below(_ limit: Int) -> Int { Int(truncatingIfNeeded: next() >> 33) % limit }

    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
}

/// Scatters the bits of a number.
func mixed(_ number: UInt64) -> UInt64 {
    var bits = number
    bits = (bits ^ bits >> 30) &* 0xbf58_476d_1ce4_e5b9
    bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
    return bits ^ bits >> 31
}
