import Foundation

/// What a run generates. The environment can repeat one, or make it longer.
enum HostileSettings {
    static let seed = number("VIRTIOFS_TEST_SEED") ?? .random(in: 0...(.max))
    /// Generated cases, of requests and of chains together.
    static let cases = number("VIRTIOFS_HOSTILE_CASES").map { Int($0) } ?? 120_000

    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }
}
