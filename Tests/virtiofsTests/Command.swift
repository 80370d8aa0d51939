import Foundation
import Testing

/// Where the command under test is: beside the test bundle.
let commandURL = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("virtiofs")

/// What a program that ended has said.
struct Outcome: Sendable {
    var status: Int32
    var output: String
    var errors: String
}

/// A child process whose output is collected. It ends by itself, or fails the test after a minute and is killed.
final class Child: @unchecked Sendable {
    let process = Process()
    private let output = Pipe()
    private let errors = Pipe()

    init(_ program: URL, _ arguments: [String], environment: [String: String] = [:]) throws {
        process.executableURL = program
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = errors
        try process.run()
    }

    /// Waits for the first line of output; nothing if there is none.
    func firstLine() -> String {
        var line: [UInt8] = []
        while let byte = try? output.fileHandleForReading.read(upToCount: 1), let first = byte.first {
            if first == UInt8(ascii: "\n") { break }
            line.append(first)
        }
        return String(decoding: line, as: UTF8.self)
    }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// Waits for the end.
    func outcome() -> Outcome {
        let watchdog = DispatchWorkItem { [process] in
            Issue.record("\(process.executableURL?.path ?? "") \(process.arguments ?? []) hangs")
            process.terminate()
            kill(process.processIdentifier, SIGKILL)
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + 60, execute: watchdog)
        defer { watchdog.cancel() }
        let said = output.fileHandleForReading.readDataToEndOfFile()
        let complained = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: String(decoding: said, as: UTF8.self),
            errors: String(decoding: complained, as: UTF8.self))
    }
}

/// Runs a program to its end.
@discardableResult
func run(_ program: String, _ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
    let url = program.hasPrefix("/") ? URL(fileURLWithPath: program) : try find(program)
    return try Child(url, arguments, environment: environment).outcome()
}

/// Runs a program that has to succeed; its output.
@discardableResult
func succeed(_ program: String, _ arguments: String...) throws -> String {
    let url = program.hasPrefix("/") ? URL(fileURLWithPath: program) : try find(program)
    let outcome = try Child(url, arguments).outcome()
    #expect(outcome.status == 0, "\(program) \(arguments): \(outcome.errors)")
    return outcome.output
}

private func find(_ program: String) throws -> URL {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let folders = (path + ":/usr/sbin:/sbin").split(separator: ":")
    let found = folders.map { URL(fileURLWithPath: "\($0)/\(program)") }
        .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    return try #require(found, "\(program) is not installed")
}

/// Runs the command to its end.
func virtiofs(_ arguments: String...) throws -> Outcome { try Child(commandURL, arguments).outcome() }
