import SystemPackage

/// Why a process can't be confined, in one line for the user.
public struct SandboxError: Error, CustomStringConvertible, Equatable {
    public let description: String

    public init(_ description: String) { self.description = description }

    /// - Parameters:
    ///   - step: what could not be done, as it follows "can't".
    ///   - remedy: what the user can do about it.
    init(cannot step: String, _ error: Errno, _ remedy: String? = nil) {
        self.init("can't \(step): \(error)" + (remedy.map { "; \($0)" } ?? ""))
    }
}

/// Runs `body`, whose errors are told as what could not be done.
func step<Result: ~Copyable>(
    _ name: String, remedy: String? = nil, _ body: () throws(Errno) -> Result
) throws(SandboxError) -> Result {
    do throws(Errno) {
        return try body()
    } catch {
        throw SandboxError(cannot: name, error, remedy)
    }
}
