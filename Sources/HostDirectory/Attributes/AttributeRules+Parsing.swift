extension AttributeRules {
    /// - Parameter text: rules as virtiofsd has them, with white space between them: `:TYPE:SCOPE:KEY:PREPEND:`, or at the
    ///   end `:map:KEY:PREPEND:`. Each may have another character in place of the colon.
    public init(_ text: String) throws(RuleError) {
        rules = []
        var rest = Array(text.utf8)[...]
        var number = 0
        while let separator = rest.first {
            guard !Self.isSpace(separator) else {
                rest.removeFirst()
                continue
            }
            number += 1
            try add(&rest, number)
        }
        guard !rules.isEmpty else { throw RuleError("there is no rule") }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

    /// Takes one rule from the front of `rest`.
    private mutating func add(_ rest: inout ArraySlice<UInt8>, _ number: Int) throws(RuleError) {
        let separator = rest.removeFirst()
        let type = String(decoding: try Self.field(&rest, separator, number), as: UTF8.self)
        if type == "map" {
            let key = try Self.field(&rest, separator, number)
            addMap(key, try Self.field(&rest, separator, number))
            guard rest.allSatisfy(Self.isSpace) else { throw RuleError("rule \(number): 'map' has to be the last one") }
            return
        }
        guard let kind = Rule.Kind(rawValue: type) else {
            throw RuleError("rule \(number): there is no type '\(type)'; prefix, ok, bad, unsupported and map are")
        }
        let scope = String(decoding: try Self.field(&rest, separator, number), as: UTF8.self)
        guard ["client", "server", "all"].contains(scope) else {
            throw RuleError("rule \(number): there is no scope '\(scope)'; client, server and all are")
        }
        let key = try Self.field(&rest, separator, number)
        append(kind, scope, key, try Self.field(&rest, separator, number))
    }

    private static func field(
        _ rest: inout ArraySlice<UInt8>, _ separator: UInt8, _ number: Int
    ) throws(RuleError) -> [UInt8] {
        guard let end = rest.firstIndex(of: separator) else {
            let character = String(decoding: [separator], as: UTF8.self)
            throw RuleError("rule \(number): there is a '\(character)' missing behind its last field")
        }
        defer { rest = rest[(end + 1)...] }
        return Array(rest[..<end])
    }

    private mutating func append(_ kind: Rule.Kind, _ scope: String, _ key: [UInt8], _ prepend: [UInt8]) {
        rules.append(
            Rule(
                kind: kind, isForClient: scope != "server", isForHost: scope != "client", key: key, prepend: prepend))
    }

    /// The client's attributes that begin with `key` are kept under another name; the host's own of that name are out of
    /// the client's sight, and what is kept can't be reached by its name on the host.
    private mutating func addMap(_ key: [UInt8], _ prepend: [UInt8]) {
        append(.prefix, "all", key, prepend)
        append(.bad, "server", [], key)
        append(.bad, "client", prepend, [])
        append(.ok, "all", [], [])
    }
}
