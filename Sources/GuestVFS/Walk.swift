import CKernel
import FUSEWire
import SystemPackage
import VirtioFSDriver

/// A path on its way (fs/namei.c, link_path_walk): where it has come to, and what is left.
struct Walk {
    /// What the last name of a path is: an entry, or one of those that always are there.
    enum Last {
        case entry(EntryName)
        case dot
        case dotDot
        case root
    }

    /// Links in one walk (MAXSYMLINKS, include/linux/namei.h).
    private static let mostLinks = 40

    private let process: GuestProcess
    private(set) var place: Place
    /// The names that are left; the next one is the last.
    private var rest: [EntryName]
    private(set) var hasTrailingSlash: Bool
    private var linksFollowed = 0

    init(_ process: GuestProcess, _ path: GuestPath) async throws(Errno) {
        guard !path.bytes.isEmpty else { throw .noSuchFileOrDirectory }
        guard path.bytes.count < GuestPath.largestSize else { throw .fileNameTooLong }
        self.process = process
        place = try await process.refreshed(path.isAbsolute ? process.root : process.workingPlace)
        rest = path.components.reversed()
        hasTrailingSlash = path.hasTrailingSlash
    }

    /// Goes as far as the folder of the last name.
    mutating func toLast() async throws(Errno) -> Last {
        while let name = rest.popLast() {
            try await process.requireSearch(place)
            guard !rest.isEmpty else { return Self.last(name) }
            try await step(name, follows: true)
        }
        return .root
    }

    private static func last(_ name: EntryName) -> Last {
        switch name {
        case ".": .dot
        case "..": .dotDot
        default: .entry(name)
        }
    }

    /// Goes to the end.
    ///
    /// - Parameter follows: whether a link at the end is followed; with a slash behind it, it always is.
    mutating func toEnd(follows: Bool) async throws(Errno) -> Place {
        while let name = rest.popLast() {
            try await process.requireSearch(place)
            try await step(name, follows: follows || hasTrailingSlash || !rest.isEmpty)
        }
        if hasTrailingSlash && !place.isFolder { throw .notDirectory }
        return place
    }

    private mutating func step(_ name: EntryName, follows: Bool) async throws(Errno) {
        switch name {
        case ".": return
        case "..": place = try await process.refreshed(place.parent ?? place)
        default:
            let child = try await process.lookup(name, in: place)
            if child.isLink && follows { try await follow(child) } else { place = child }
        }
    }

    /// Goes on where a link of this place's points to.
    mutating func follow(_ link: Place) async throws(Errno) {
        linksFollowed += 1
        guard linksFollowed <= Self.mostLinks else { throw .tooManySymbolicLinkLevels }
        guard process.mayFollow(link, in: place.attributes) else { throw .permissionDenied }
        let target = GuestPath(try await process.client.readlink(link.id, as: process.caller).bytes)
        guard !target.bytes.isEmpty else { throw .noSuchFileOrDirectory }
        if rest.isEmpty && target.hasTrailingSlash { hasTrailingSlash = true }
        if target.isAbsolute { place = try await process.refreshed(process.root) }
        rest += target.components.reversed()
    }
}

extension GuestProcess {
    /// The place that a path leads to.
    func resolve(_ path: GuestPath, follows: Bool = true) async throws(Errno) -> Place {
        var walk = try await Walk(self, path)
        return try await walk.toEnd(follows: follows)
    }

    /// A place with the attributes that it has now.
    func refreshed(_ place: Place) async throws(Errno) -> Place {
        let attributes = try await client.getattr(place.id, as: caller).attr
        return Place(place.node, place.name, in: place.parent, attributes)
    }

    /// An entry of a folder.
    func lookup(_ name: EntryName, in folder: Place) async throws(Errno) -> Place {
        place(try await client.lookup(folder.id, name, as: caller), name, in: folder)
    }

    /// The place of an entry that was looked up or made.
    func place(_ entry: fuse_entry_out, _ name: EntryName, in folder: Place) -> Place {
        Place(HeldNode(NodeID(rawValue: entry.nodeid), of: client), name, in: folder, entry.attr)
    }

    func requireSearch(_ place: Place) async throws(Errno) {
        guard place.isFolder else { throw .notDirectory }
        try await require(X_OK, of: place)
    }
}
