/// One behaviour of a file system: a name, what it needs, and a function of an empty folder.
public struct Case: Sendable {
    /// What it is about and what it shows: `area.what`. No two cases have the same.
    public let name: String
    public let needs: Needs
    let body: @Sendable (Scene) throws -> Void

    init(_ name: String, needs: Needs = [], _ body: @escaping @Sendable (Scene) throws -> Void) {
        self.name = name
        self.needs = needs
        self.body = body
    }

    /// What a case can't do without.
    public struct Needs: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }

        /// The calls of this machine's kernel on a real folder: descriptors, mappings, threads with an identity of their
        /// own. Cases without it use nothing but ``FileCalls``.
        public static let kernel = Needs(rawValue: 1 << 0)
        /// To be root.
        public static let root = Needs(rawValue: 1 << 1)
        /// Extended attributes named `user.…`.
        public static let attributes = Needs(rawValue: 1 << 2)
        /// POSIX access control lists.
        public static let lists = Needs(rawValue: 1 << 3)
        /// A second way to the same folder: another mount, or the folder behind the mount.
        public static let secondView = Needs(rawValue: 1 << 4)
        /// That what is done on one way is seen at once on the other.
        public static let coherence = Needs(rawValue: 1 << 5)

        /// Several users: root, who can become anybody.
        static let users: Needs = [.root]
    }
}

/// Cases one below the other.
@resultBuilder
enum CaseList {
    static func buildBlock(_ cases: Case...) -> [Case] { cases }
}
