/// Users or groups of a user namespace, and who they are outside (user_namespaces(7)).
public struct IDRange: Sendable, Equatable {
    /// The first id inside.
    public let inside: UInt32
    /// The first id outside.
    public let outside: UInt32
    public let count: UInt32

    public init(inside: UInt32, outside: UInt32, count: UInt32) {
        self.inside = inside
        self.outside = outside
        self.count = count
    }

    /// - Parameter text: as virtiofsd's `--uid-map` has it, `:inside:outside:count:`, with any character in place of the
    ///   colon.
    public init?(_ text: String) {
        guard let separator = text.first, !separator.isNumber else { return nil }
        let fields = text.split(separator: separator, omittingEmptySubsequences: false)
        guard fields.count == 5, fields[0].isEmpty, fields[4].isEmpty,
            let inside = UInt32(fields[1]), let outside = UInt32(fields[2]), let count = UInt32(fields[3]),
            count > 0, UInt32.max - max(inside, outside) >= count
        else { return nil }
        self.init(inside: inside, outside: outside, count: count)
    }

    /// A line of /proc/PID/uid_map, and the arguments of newuidmap(1).
    var words: [String] { [inside, outside, count].map { String($0) } }

    func contains(inside id: UInt32) -> Bool { id >= inside && id - inside < count }
}
