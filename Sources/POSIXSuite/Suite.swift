import CKernel
import SystemPackage

/// The suite: every case, and what runs them.
public enum Suite {
    /// All cases, an area behind the other.
    public static let cases: [Case] = [
        renames, exchanges, links, symbolicLinks, removal, folders, listings, names, paths, opening, modes, owners,
        permissions, sticky, setID, umasks, times, timeUpdates, truncation, sparse, allocation, reading, appending,
        copying,
        mappings, unlinked, temporaryFiles, specialFiles, attributes, accessLists, processLocks, openFileLocks,
        wholeLocks, descriptors, relativePaths, space, caching, deepTrees, views,
    ].flatMap { $0 }

    /// How a case ended.
    public enum Outcome: Sendable {
        case passed
        case failed(String)
        /// The folder or the user lacks what the case needs.
        case needsMore
    }

    /// Runs the cases one after another, each in a folder of its own below `folder`, which is removed behind it.
    ///
    /// - Parameters:
    ///   - other: another way to the same folder; `folder` itself if there is none.
    ///   - offers: what cases may need. Those that need more are not run.
    ///   - report: is told of each case.
    public static func run(
        _ cases: [Case] = cases, on folder: any FileCalls, other: (any FileCalls)? = nil, offers: Case.Needs,
        report: (Case, Outcome) -> Void
    ) {
        for (number, one) in cases.enumerated() {
            guard offers.isSuperset(of: one.needs) else {
                report(one, .needsMore)
                continue
            }
            report(one, run(one, Path("case-\(number)"), folder, other ?? folder))
        }
    }

    private static func run(
        _ one: Case, _ name: Path, _ folder: any FileCalls, _ other: any FileCalls
    ) -> Outcome {
        do {
            try folder.mkdir(name, 0o755)
            try folder.chmod(name, 0o755)
            defer { remove(name, from: folder) }
            try CaseThread.run {
                try one.body(Scene(try folder.entering(name), other: try other.entering(name)))
            }
            return .passed
        } catch let error as Errno {
            return .failed("errno \(error.rawValue) (\(error))")
        } catch {
            return .failed("\(error)")
        }
    }

    /// Removes what is there, whatever it is; a case may have left anything.
    static func remove(_ path: Path, from folder: any FileCalls) {
        do throws(Errno) {
            try folder.unlink(path)
        } catch {
            guard error != .noSuchFileOrDirectory else { return }
            try? folder.chmod(path, 0o700)
            if let inner = try? folder.entering(path) {
                for entry in (try? inner.list(".")) ?? [] { remove(entry.name, from: inner) }
            }
            try? folder.rmdir(path)
        }
    }
}
