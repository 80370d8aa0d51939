import POSIXSuite
import VirtioTestSupport

/// How a run of the suite went.
struct Tally {
    /// Cases that passed.
    private(set) var names: Set<String> = []
    var passed: Int { names.count }
    private(set) var failures: [String] = []

    static func run(
        _ cases: [Case] = Suite.cases, on folder: any FileCalls,
        offers: Case.Needs = [.kernel, .root, .attributes, .lists, .secondView, .coherence]
    ) -> Tally {
        var tally = Tally()
        Suite.run(cases, on: folder, offers: offers) { one, outcome in
            switch outcome {
            case .passed: tally.names.insert(one.name)
            case .failed(let what): tally.failures.append("\(one.name): \(what)")
            case .needsMore: break
            }
        }
        print("POSIX suite: \(cases.count) cases, \(tally.passed) passed, \(tally.failures.count) failed")
        return tally
    }
}
