import ArgumentParser
import Glibc

/// The command.
@main
struct VirtioFS: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "virtiofs",
        abstract: "A virtio-fs driver and device in one process: mount a folder through virtqueues.",
        version: "0.1.0",
        subcommands: [
            MountCommand.self, RemountCommand.self, ServeCommand.self, ReplayCommand.self, AttachCommand.self,
            ShellCommand.self, BenchCommand.self,
        ])

    /// Every failure is one line on standard error: exit status 64 for a wrong call, 1 for everything else, and
    /// for all that mount(8) asks for.
    static func main() {
        var isMountHelper = false
        do {
            let call = try CommandCall(CommandLine.arguments)
            isMountHelper = call.isMountHelper
            var command = try parseAsRoot(call.arguments)
            try command.run()
        } catch let failure as Failure {
            fail(failure.description, status: EXIT_FAILURE)
        } catch {
            let code = exitCode(for: error)
            guard code != .success && !(error is ExitCode) else { exit(withError: error) }
            let text = message(for: error).split(separator: "\n").first.map(String.init) ?? "wrong usage"
            fail("\(text) (see 'virtiofs --help')", status: isMountHelper ? EXIT_FAILURE : code.rawValue)
        }
    }

    private static func fail(_ text: String, status: Int32) -> Never {
        let line = "virtiofs: \(text)\n"
        _ = write(STDERR_FILENO, line, line.utf8.count)
        Glibc.exit(status)
    }
}

/// What went wrong, in one line for the user.
struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
