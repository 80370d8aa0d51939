import CKernel
import Glibc
import POSIXSuite
import SystemPackage

/// `posixsuite`: runs the suite on a folder of a mounted file system. No Foundation and no dependencies, so that it can be
/// linked statically and run inside a guest.
struct Arguments {
    var folder: Path?
    var other: Path?
    var isCoherent = false
    var lists = false
    var showsTimes = false
    var only: [String] = []
    var without: [String] = []

    static let usage = """
        usage: posixsuite [--also FOLDER [--coherent]] [--only PREFIX]… [--without PREFIX]… [--times]
                          FOLDER
               posixsuite --list

          --also FOLDER     the same folder by another way: another mount, or what is behind the mount
          --coherent        what is done there is seen here at once
          --only PREFIX     only cases whose name begins so
          --without PREFIX  no cases whose name begins so
          --times           say how long each case took

        For each case a line "ok NAME", "FAIL NAME: what", or "na NAME" where user or folder lack what it needs; at the
        end the counts. Exit status 0 if none failed, 1 if some did, 2 for wrong usage.

        """

    /// Nothing for wrong usage.
    init?(_ words: [String]) {
        var words = words[...]
        while let word = words.popFirst() {
            switch word {
            case "--list": lists = true
            case "--times": showsTimes = true
            case "--coherent": isCoherent = true
            case "--also", "--only", "--without":
                guard let value = words.popFirst() else { return nil }
                if word == "--also" { other = Path(value) }
                if word == "--only" { only.append(value) }
                if word == "--without" { without.append(value) }
            default:
                guard folder == nil, !word.hasPrefix("-") else { return nil }
                folder = Path(word)
            }
        }
        guard lists || folder != nil else { return nil }
    }

    var cases: [Case] {
        Suite.cases.filter { one in
            (only.isEmpty || only.contains { one.name.hasPrefix($0) }) && !without.contains { one.name.hasPrefix($0) }
        }
    }

    var offers: Case.Needs {
        var offers: Case.Needs = [.kernel, .attributes, .lists]
        if geteuid() == 0 { offers.insert(.root) }
        // A folder is another way to itself.
        if other != nil { offers.insert(.secondView) }
        if isCoherent { offers.insert(.coherence) }
        return offers
    }
}

func say(_ text: String, to descriptor: Int32 = 1) { _ = write(descriptor, text, text.utf8.count) }

func runSuite(_ arguments: Arguments) throws(Errno) -> Int32 {
    var (passed, failed, other) = (0, 0, 0)
    let folder = try SystemCalls(arguments.folder!)
    let second = try arguments.other.map { path throws(Errno) in try SystemCalls(path) }
    var start = ContinuousClock.now
    func took() -> String {
        guard arguments.showsTimes else { return "" }
        defer { start = .now }
        return " (\((.now - start) / .milliseconds(1)) ms)"
    }
    Suite.run(arguments.cases, on: folder, other: second, offers: arguments.offers) { one, outcome in
        switch outcome {
        case .passed:
            passed += 1
            say("ok \(one.name)\(took())\n")
        case .failed(let what):
            failed += 1
            say("FAIL \(one.name): \(what)\(took())\n")
        case .needsMore:
            other += 1
            say("na \(one.name)\n")
        }
    }
    say("\(passed + failed + other) cases: \(passed) passed, \(failed) failed, \(other) not applicable\n")
    return failed == 0 ? 0 : 1
}

func start() -> Int32 {
    guard let arguments = Arguments(Array(CommandLine.arguments.dropFirst())) else {
        say(Arguments.usage, to: 2)
        return 2
    }
    guard !arguments.lists else {
        for one in arguments.cases { say("\(one.name)\n") }
        return 0
    }
    do throws(Errno) {
        return try runSuite(arguments)
    } catch {
        say("posixsuite: \(arguments.folder!): \(error)\n", to: 2)
        return 2
    }
}

exit(start())
