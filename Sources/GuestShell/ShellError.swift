import GuestVFS
import SystemPackage

/// What went wrong with a command, in one line.
struct ShellError: Error {
    let description: String
    /// 1, or 2 for a wrong call.
    var status: Int32 = 1

    init(_ description: String, status: Int32 = 1) {
        self.description = description
        self.status = status
    }

    init(_ path: GuestPath, _ error: Errno) { self.init("\(ShownName.shown(path.bytes)): \(error)") }
}

/// Runs `body`, and says which path its error is about.
func about<Result>(
    _ path: GuestPath, _ body: () async throws(Errno) -> Result
) async throws(ShellError) -> Result {
    do throws(Errno) { return try await body() } catch { throw ShellError(path, error) }
}

/// The same of a file of this machine's.
func aboutLocal<Result>(_ path: String, _ body: () throws(Errno) -> Result) throws(ShellError) -> Result {
    do throws(Errno) {
        return try body()
    } catch {
        throw ShellError("\(ShownName.shown(Array(path.utf8))) on this machine: \(error)")
    }
}
