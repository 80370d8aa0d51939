/// What the client may keep, and for how long, of what it was told.
public enum CacheMode: String, CaseIterable, Sendable {
    /// Nothing: the client asks each time. Its page cache still serves mmap(2), but is dropped at every open.
    case never
    /// Names and attributes for a day, contents of files not beyond an open.
    case metadata
    /// Names and attributes for a second; contents of an open file as long as size and time of modification are the same.
    case auto
    /// Everything for a day: for a folder that nobody else changes.
    case always

    /// How long names and attributes are good for.
    var timeout: Duration {
        switch self {
        case .never: .zero
        case .auto: .seconds(1)
        case .metadata, .always: .seconds(86_400)
        }
    }
}
