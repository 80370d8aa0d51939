import CKernel
public import GuestVFS
import SystemPackage
import VirtioFSDriver

/// A small shell whose files are those of a virtio-fs device, with no kernel mount in between.
///
/// One command runs at a time, in a Swift task.
public final class Shell: @unchecked Sendable {
    let process: GuestProcess
    let output: Output
    private let errors: Output
    /// Of the last command.
    public internal(set) var status: Int32 = 0
    /// Whether the last line was broken off.
    private(set) var wasInterrupted = false
    /// Whether `exit` was called.
    public internal(set) var isOver = false

    /// - Parameters:
    ///   - output: the descriptor that commands print to.
    ///   - errors: the one for what went wrong.
    public init(_ process: GuestProcess, output: Int32 = 1, errors: Int32 = 2) {
        self.process = process
        self.output = Output(output)
        self.errors = Output(errors)
    }

    /// Runs the commands of a line, or of several.
    public func run(_ line: [UInt8]) async {
        wasInterrupted = false
        do throws(CommandReader.Mistake) {
            for words in try CommandReader.commands(in: line) where !isOver {
                if !Task.isCancelled { await run(words) }
                output.flush()
                guard !Task.isCancelled else {
                    (status, wasInterrupted) = (130, true)
                    return
                }
            }
        } catch {
            complain(error.description, status: 2)
        }
    }

    private func run(_ words: [Word]) async {
        status = 0
        let name = words[0].text
        guard let verb = Verb.all.first(where: { $0.name == name }) else {
            return complain("there is no command '\(ShownName.shown(words[0].bytes))' (see 'help')", status: 127)
        }
        do throws(ShellError) {
            var paths: [GuestPath] = []
            for word in words.dropFirst() { paths += await Glob.expand(word, process) }
            try await verb.run(self, try Arguments(paths, letters: verb.letters))
        } catch {
            let hint = error.status == 2 ? " (usage: \(verb.name) \(verb.usage))" : ""
            complain("\(verb.name): \(error.description)\(hint)", status: error.status)
        }
    }

    /// Says in one line what went wrong; the command goes on with what else there is.
    func complain(_ text: String, status: Int32 = 1) {
        output.flush()
        errors.line(text)
        errors.flush()
        self.status = status
    }

    /// Runs `body` for each of the operands: what goes wrong with one hinders none of the others.
    func each(
        _ operands: [GuestPath], of verb: String, _ body: (GuestPath) async throws(ShellError) -> Void
    ) async {
        for operand in operands where !Task.isCancelled {
            do throws(ShellError) { try await body(operand) } catch { complain("\(verb): \(error.description)") }
        }
    }

    // MARK: what several commands need

    /// The entries of a folder by their names, without "." and "..".
    func entries(of path: GuestPath) async throws(ShellError) -> [DirectoryEntry] {
        try await about(path) { () async throws(Errno) in
            let folder = try await process.open(path, O_RDONLY | O_DIRECTORY)
            let entries: [DirectoryEntry]
            do throws(Errno) {
                entries = try await folder.entries()
            } catch {
                try await folder.close()
                throw error
            }
            try await folder.close()
            return entries.filter { $0.name != "." && $0.name != ".." }
                .sorted { $0.name.bytes.lexicographicallyPrecedes($1.name.bytes) }
        }
    }

    /// Where something goes that is put at `target`: into it, if it is a folder.
    func destination(_ name: EntryName?, at target: GuestPath) async -> GuestPath {
        guard let name, let found = try? await process.stat(target), found.isFolder else { return target }
        return target.appending(name)
    }
}

extension GuestPath {
    /// The last name; nothing of "/", "." and "..".
    var lastName: EntryName? {
        guard let last = components.last, last != ".", last != ".." else { return nil }
        return last
    }
}
