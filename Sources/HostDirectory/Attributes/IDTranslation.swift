import SystemPackage

/// What users or groups of the client are on the host, and the other way round, without a user namespace. An id that no
/// rule names is the same on both sides.
public struct IDTranslation: Sendable {
    /// What becomes of the ids `first`, and `count` of them in all.
    struct Rule: Sendable, Equatable {
        enum Fate: Sendable, Equatable {
            /// Each becomes its own id, `base` and what follows.
            case shift(base: UInt32)
            /// All become one id.
            case squash(UInt32)
            case forbid
        }

        let first: UInt32
        let count: UInt32
        let fate: Fate

        func contains(_ id: UInt32) -> Bool { id >= first && id - first < count }

        func overlaps(_ other: Rule) -> Bool { contains(other.first) || other.contains(first) }
    }

    var toHost: [Rule] = []
    var toClient: [Rule] = []

    /// What the client calls `id` is on the host.
    ///
    /// - Throws: EPERM where the client may not use it.
    func hostID(_ id: UInt32) throws(Errno) -> UInt32 {
        guard let rule = toHost.first(where: { $0.contains(id) }) else { return id }
        switch rule.fate {
        case .shift(let base): return base + (id - rule.first)
        case .squash(let target): return target
        case .forbid: throw .notPermitted
        }
    }

    /// What the host calls `id` is for the client.
    func clientID(_ id: UInt32) -> UInt32 {
        guard let rule = toClient.first(where: { $0.contains(id) }) else { return id }
        switch rule.fate {
        case .shift(let base): return base + (id - rule.first)
        case .squash(let target): return target
        case .forbid: return id
        }
    }
}
