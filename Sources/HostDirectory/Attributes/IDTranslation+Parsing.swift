extension IDTranslation {
    /// - Parameter rules: as virtiofsd's `--translate-uid` has them: `guest:GUEST:HOST:COUNT`, `host:HOST:GUEST:COUNT`,
    ///   `map:GUEST:HOST:COUNT` (both at once), `squash-guest:GUEST:HOST:COUNT`, `squash-host:HOST:GUEST:COUNT`,
    ///   `forbid-guest:GUEST:COUNT`.
    public init(_ rules: [String]) throws(RuleError) {
        for rule in rules { try add(rule) }
    }

    private mutating func add(_ text: String) throws(RuleError) {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = fields.dropFirst().compactMap { UInt32($0) }
        let kind = String(fields[0])
        let wanted = kind == "forbid-guest" ? 2 : 3
        guard numbers.count == fields.count - 1, numbers.count == wanted else {
            throw RuleError("'\(text)': a kind and \(wanted) numbers, with colons between them, are wanted")
        }
        let (first, target, count) = (numbers[0], numbers[1], numbers[wanted - 1])
        switch kind {
        case "guest": try add(first, count, .shift(base: target), to: \.toHost, text)
        case "host": try add(first, count, .shift(base: target), to: \.toClient, text)
        case "map":
            try add(first, count, .shift(base: target), to: \.toHost, text)
            try add(target, count, .shift(base: first), to: \.toClient, text)
        case "squash-guest": try add(first, count, .squash(target), to: \.toHost, text)
        case "squash-host": try add(first, count, .squash(target), to: \.toClient, text)
        case "forbid-guest": try add(first, count, .forbid, to: \.toHost, text)
        default: throw RuleError("'\(text)': there is no kind '\(kind)'")
        }
    }

    private mutating func add(
        _ first: UInt32, _ count: UInt32, _ fate: Rule.Fate, to side: WritableKeyPath<IDTranslation, [Rule]>,
        _ text: String
    ) throws(RuleError) {
        let last = if case .shift(let base) = fate { max(first, base) } else { first }
        // Ids end at 2^32 - 2: the number after it means "no change" in chown(2).
        guard count > 0, UInt32.max - last >= count else { throw RuleError("'\(text)': there are no such ids") }
        let rule = Rule(first: first, count: count, fate: fate)
        guard !self[keyPath: side].contains(where: { $0.overlaps(rule) }) else {
            throw RuleError("'\(text)' names ids that another rule names, too")
        }
        self[keyPath: side].append(rule)
    }
}

/// A rule of the user's that can't be read, in one line.
public struct RuleError: Error, CustomStringConvertible, Equatable {
    public let description: String
    init(_ description: String) { self.description = description }
}
