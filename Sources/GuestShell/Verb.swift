import GuestVFS

/// A command of the shell's.
struct Verb: Sendable {
    let name: String
    /// What follows the name.
    let usage: String
    let summary: String
    /// See ``Arguments``; nothing leaves all words as they are.
    let letters: String?
    let run: @Sendable (Shell, Arguments) async throws(ShellError) -> Void

    static let all: [Verb] = [
        .cat, .cd, .chmod, .df, .exit, .find, .get, .help, .ln, .ls, .mkdir, .mv, .put, .pwd, .rm, .rmdir, .stat, .tree,
    ]
}
