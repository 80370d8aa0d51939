import SystemPackage

/// Why something can't be mounted. The description is one line for the user: what is wrong, and what to do.
public struct MountError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }

    init(_ what: String, _ error: Errno) { description = "\(what): \(error)" }
}
