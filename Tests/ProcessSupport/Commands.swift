import Glibc

/// Where the command under test is: beside the test bundle.
public let commandPath: String = {
    let bundle = realpath(CommandLine.arguments[0], nil)
    defer { free(bundle) }
    let folder = bundle.map { String(cString: $0) }?.split(separator: "/").dropLast().joined(separator: "/") ?? ""
    return "/\(folder)/virtiofs"
}()

/// A program that a test needs is not installed, or has failed.
public struct CommandError: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}

/// Runs a program, found on the path, to its end.
@discardableResult
public func run(_ program: String, _ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
    try Child(find(program), arguments, environment: environment).outcome()
}

/// Runs a program that has to succeed; its output.
@discardableResult
public func succeed(_ program: String, _ arguments: String...) throws -> String {
    let outcome = try Child(find(program), arguments).outcome()
    guard outcome.status == 0 else {
        throw CommandError(description: "\(program) \(arguments): status \(outcome.status): \(outcome.errors)")
    }
    return outcome.output
}

/// Where a program is.
public func find(_ program: String) throws -> String {
    if program.hasPrefix("/") { return program }
    let path = getenv("PATH").map { String(cString: $0) } ?? ""
    let places = (path + ":/usr/sbin:/sbin").split(separator: ":").map { "\($0)/\(program)" }
    guard let found = places.first(where: { access($0, X_OK) == 0 }) else {
        throw CommandError(description: "\(program) is not installed")
    }
    return found
}

/// Runs the command under test to its end.
public func virtiofs(_ arguments: String...) throws -> Outcome { try Child(commandPath, arguments).outcome() }
