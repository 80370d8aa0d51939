import SystemPackage

/// What a case has seen that should not be.
public struct CaseFailure: Error, CustomStringConvertible {
    public let description: String

    init(_ what: String, _ file: String, _ line: UInt) {
        let name = file.split(separator: "/").last ?? ""
        description = "\(what) (\(name):\(line))"
    }
}

func expect(
    _ condition: Bool, _ what: @autoclosure () throws -> String, file: String = #fileID, line: UInt = #line
) throws {
    guard condition else { throw CaseFailure(try what(), file, line) }
}

func expectEqual<Value: Equatable>(
    _ seen: Value, _ wanted: Value, _ what: String = "", file: String = #fileID, line: UInt = #line
) throws {
    guard seen != wanted else { return }
    throw CaseFailure("\(what.isEmpty ? "" : what + ": ")\(shortened(seen)), not \(shortened(wanted))", file, line)
}

/// `body` has to fail with one of `errors`: several where POSIX or Linux file systems leave it open.
func expectError(
    _ errors: Errno..., file: String = #fileID, line: UInt = #line, _ body: () throws -> Void
) throws {
    do {
        try body()
    } catch let error as Errno {
        guard !errors.contains(error) else { return }
        throw CaseFailure("fails with \(named(error)), not \(errors.map(named).joined(separator: " or "))", file, line)
    }
    throw CaseFailure("succeeds, and should fail with \(errors.map(named).joined(separator: " or "))", file, line)
}

private func named(_ error: Errno) -> String { "errno \(error.rawValue) (\(error))" }

private func shortened<Value>(_ value: Value) -> String {
    let text = "\(value)"
    return text.utf8.count <= 200 ? text : "\(text.prefix(200))…"
}
