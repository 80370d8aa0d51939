import GuestVFS
import VirtioFSDriver

/// What an unfinished line can be completed to.
struct Completion: Equatable {
    /// Characters before the cursor that go.
    var removed = 0
    /// What comes in their place.
    var addition = ""
    /// What there is to choose from, where nothing can be added.
    var choices: [String] = []

    /// Completes the last word: the first one of a command to a command, any other to a name of the share.
    static func of(_ line: String, _ process: GuestProcess) async -> Completion {
        let start = wordStart(line)
        let written = String(line[start...])
        guard let word = word(written) else { return Completion() }
        let isVerb = line[..<start].allSatisfy { $0 == " " } || line[..<start].last { $0 != " " } == ";"
        guard !isVerb else {
            let names = Verb.all.map(\.name).filter { $0.hasPrefix(written) }
            return completed(written, prefix: [], names.map { Candidate(name: Array($0.utf8), isFolder: false) })
        }
        let slash = word.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        let (folder, beginning) = (Array(word[..<slash]), Array(word[slash...]))
        let names = await Glob.names(in: folder.isEmpty ? "." : GuestPath(folder), process).filter { name in
            name.starts(with: beginning) && (name.first != UInt8(ascii: ".") || beginning.first == UInt8(ascii: "."))
        }
        var candidates: [Candidate] = []
        for name in names {
            let path = GuestPath(folder).appending(EntryName(name))
            candidates.append(Candidate(name: name, isFolder: (try? await process.stat(path))?.isFolder == true))
        }
        return completed(written, prefix: folder, candidates)
    }

    private struct Candidate {
        var name: [UInt8]
        var isFolder: Bool
    }

    /// Where the last word begins: behind the last space or ";" that is not quoted.
    private static func wordStart(_ line: String) -> String.Index {
        var start = line.startIndex
        var quote: Character?
        var index = line.startIndex
        while index < line.endIndex {
            let character = line[index]
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "'" || character == "\"" {
                quote = character
            } else if character == " " || character == ";" {
                start = line.index(after: index)
            }
            if character == "\\" && quote != "'", line.index(after: index) < line.endIndex {
                index = line.index(after: index)
            }
            index = line.index(after: index)
        }
        return start
    }

    /// The bytes of a word that may lack its last quote.
    private static func word(_ written: String) -> [UInt8]? {
        for ending in ["", "'", "\""] {
            do throws(CommandReader.Mistake) {
                let words = try CommandReader.commands(in: Array((written + ending).utf8)).first ?? []
                return words.first?.bytes ?? []
            } catch {
                continue
            }
        }
        return nil
    }

    private static func completed(_ written: String, prefix: [UInt8], _ candidates: [Candidate]) -> Completion {
        guard let first = candidates.first else { return Completion() }
        let removed = written.unicodeScalars.count
        if candidates.count == 1 {
            let name = prefix + first.name + (first.isFolder ? [UInt8(ascii: "/")] : [])
            return Completion(removed: removed, addition: ShownName.quoted(name) + (first.isFolder ? "" : " "))
        }
        let common = candidates.dropFirst().reduce(first.name) { common, candidate in
            Array(zip(common, candidate.name).prefix { $0 == $1 }.map(\.0))
        }
        // A name is not cut within a character.
        let whole = common.count > 0 && String(validating: common, as: UTF8.self) == nil ? [] : common
        let addition = whole.isEmpty && prefix.isEmpty ? written : ShownName.quoted(prefix + whole)
        guard addition == written || addition.unicodeScalars.count < removed else {
            return Completion(removed: removed, addition: addition)
        }
        return Completion(
            choices: candidates.map { ShownName.shown($0.name) + ($0.isFolder ? "/" : "") })
    }
}
