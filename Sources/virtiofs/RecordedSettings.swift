import ArgumentParser
import HostDirectory
import VirtioFSDevice

/// How a device was told to serve, as far as its answers depend on it: as a recording keeps it, for a replay to do the
/// same. A line of text for each setting, its name and value with "=" between them.
struct RecordedSettings {
    private(set) var files = HostDirectoryOptions()
    private(set) var limits = FUSELimits()
    private var translation: [String] = []

    /// - Parameter translation: what ``files`` was told by options, which it does not say itself.
    init(_ files: HostDirectoryOptions, _ limits: FUSELimits = FUSELimits(), _ translation: TranslationOptions? = nil) {
        self.files = files
        self.limits = limits
        self.translation = translation?.words ?? []
    }

    private typealias Place<Value> = (name: String, path: WritableKeyPath<HostDirectoryOptions, Value>)

    private static var flags: [Place<Bool>] {
        [
            ("writeback", \.writeback), ("readonly", \.readOnly), ("allow-direct-io", \.allowDirectIO),
            ("xattr", \.extendedAttributes), ("posix-acl", \.posixACLs), ("locks", \.locks),
            ("readdirplus", \.attributesInListings), ("killpriv-v2", \.killsPrivileges),
            ("announce-submounts", \.announcesSubmounts),
        ]
    }

    private static var times: [Place<Duration?>] {
        [("attr-timeout", \.attributeTimeout), ("entry-timeout", \.entryTimeout)]
    }

    private static var sizes: [(name: String, path: WritableKeyPath<FUSELimits, UInt32>)] {
        [("max-write", \.maxWrite), ("max-readahead", \.maxReadahead)]
    }

    private static var counts: [(name: String, path: WritableKeyPath<FUSELimits, UInt16>)] {
        [("max-background", \.maxBackground), ("congestion-threshold", \.congestionThreshold)]
    }

    var text: String {
        var lines = ["cache=\(files.cache.rawValue)", "negative-timeout=\(Self.seconds(files.negativeTimeout))"]
        lines += Self.flags.map { "\($0.name)=\(files[keyPath: $0.path])" }
        lines += Self.times.compactMap { place in
            files[keyPath: place.path].map { "\(place.name)=\(Self.seconds($0))" }
        }
        lines += Self.sizes.map { "\($0.name)=\(limits[keyPath: $0.path])" }
        lines += Self.counts.map { "\($0.name)=\(limits[keyPath: $0.path])" }
        return (lines + translation).map { $0 + "\n" }.joined()
    }

    private static func seconds(_ duration: Duration) -> Double { duration / .seconds(1) }

    /// Those that a recording has kept; what it says nothing of is as it always was.
    init(text: String) throws {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, set(parts[0], parts[1]) else {
                throw Failure("a setting of the recording is not known: '\(line)'")
            }
        }
        try TranslationOptions.parse(translation.map { "--\($0)" }).apply(to: &files)
    }

    /// Whether there is such a setting, and such a value of it.
    private mutating func set(_ name: String, _ value: String) -> Bool {
        if let place = Self.flags.first(where: { $0.name == name }) { return set(place.path, Bool(value)) }
        if let place = Self.times.first(where: { $0.name == name }) {
            return set(place.path, Seconds(argument: value)?.duration)
        }
        if let place = Self.sizes.first(where: { $0.name == name }) { return set(place.path, UInt32(value)) }
        if let place = Self.counts.first(where: { $0.name == name }) { return set(place.path, UInt16(value)) }
        switch name {
        case "cache": return set(\.cache, CacheMode(rawValue: value))
        case "negative-timeout": return set(\.negativeTimeout, Seconds(argument: value)?.duration)
        case "translate-uid", "translate-gid", "xattrmap": translation.append("\(name)=\(value)")
        default: return false
        }
        return true
    }

    private mutating func set<Value>(_ path: WritableKeyPath<HostDirectoryOptions, Value>, _ value: Value?) -> Bool {
        if let value { files[keyPath: path] = value }
        return value != nil
    }

    private mutating func set<Value>(_ path: WritableKeyPath<FUSELimits, Value>, _ value: Value?) -> Bool {
        if let value { limits[keyPath: path] = value }
        return value != nil
    }
}

extension TranslationOptions {
    /// As the command takes them, without the hyphens.
    fileprivate var words: [String] {
        translateUid.map { "translate-uid=\($0)" } + translateGid.map { "translate-gid=\($0)" }
            + (xattrmap.map { ["xattrmap=\($0)"] } ?? [])
    }
}
