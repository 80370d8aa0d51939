public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

extension HostDirectory {
    public func opendir(
        _ node: NodeID, _ arguments: fuse_open_in, _ request: Request
    ) throws(Errno) -> fuse_open_out {
        try withNode(node) { descriptor, inode throws(Errno) in
            guard inode.isFolder else { throw .notDirectory }
            let folder = try reopenFolder(descriptor)
            var reply = fuse_open_out()
            reply.fh = try register(folder, of: node).rawValue
            switch options.cache {
            case .never, .auto: break
            case .metadata, .always: reply.open_flags = UInt32(FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR)
            }
            return reply
        }
    }

    /// A folder leads to itself, unless this process may read but not search it; by its descriptor's name it is found at any
    /// time, but that takes twice as long.
    private func reopenFolder(_ descriptor: FileDescriptor) throws(Errno) -> OwnedDescriptor {
        do throws(Errno) {
            return OwnedDescriptor(owning: try descriptor.openAt(".", flags: O_RDONLY | O_DIRECTORY))
        } catch .permissionDenied {
            return try descriptors.reopen(descriptor, flags: O_RDONLY | O_DIRECTORY)
        }
    }

    private func register(_ folder: consuming OwnedDescriptor, of node: NodeID) throws(Errno) -> FileHandle {
        let listing = UnsafeMutablePointer<FolderListing>.allocate(capacity: 1)
        listing.initialize(to: FolderListing())
        do throws(Errno) {
            return try handles.insert(folder, of: node, listing: listing)
        } catch {
            listing.deinitialize(count: 1)
            listing.deallocate()
            throw error
        }
    }

    public func releasedir(_ node: NodeID, _ arguments: fuse_release_in, _ request: Request) throws(Errno) {
        try handles.remove(arguments.fh, of: node, .folder)
    }

    public func readdir(
        _ node: NodeID, _ arguments: fuse_read_in, plus: Bool, into writer: inout DirectoryEntryWriter,
        _ request: Request
    ) throws(Errno) {
        let offset = try position(arguments.offset)
        try withNode(node) { _, inode throws(Errno) in
            try withHandle(arguments.fh, of: node, .folder) { file throws(Errno) in
                let folder = Folder(
                    descriptor: file.payload.descriptor, inode: inode, node: node)
                // Behind the first part, Linux asks for nodes only where it has looked names up meanwhile.
                let isFirst = plus && offset == 0
                var selection = NodeSelection(
                    !plus ? nil : isFirst ? listingHabits.nodes(for: node, listedBy: request.pid) : .forAll)
                try file.payload.listing?.pointee.withEntries { entries throws(Errno) in
                    try list(folder, entries, from: Int64(offset), &selection, into: &writer)
                }
                if isFirst, selection.hasLeftOut { listingHabits.leftOut(in: node, listedBy: request.pid) }
            }
        }
    }

    private struct Folder {
        let descriptor: FileDescriptor
        let inode: Inode
        let node: NodeID
        var isRoot: Bool { node == .root }
    }

    /// Which entries of one reply have nodes.
    private struct NodeSelection {
        /// Nothing for READDIR.
        let nodes: ListingHabits.Nodes?
        private(set) var hasLeftOut = false

        init(_ nodes: ListingHabits.Nodes?) { self.nodes = nodes }

        var plus: Bool { nodes != nil }

        mutating func includes(_ type: UInt8) -> Bool {
            guard nodes != .forAll, type != UInt8(DT_DIR), type != UInt8(DT_UNKNOWN) else { return true }
            if nodes == .forAllButOne, hasLeftOut { return true }
            hasLeftOut = true
            return false
        }
    }

    /// Appends entries until no more fit. An error behind the first entry is kept for the next call.
    private func list(
        _ folder: Folder, _ entries: UnsafeMutablePointer<FolderListing.Entries>, from cookie: Int64,
        _ selection: inout NodeSelection, into writer: inout DirectoryEntryWriter
    ) throws(Errno) {
        do throws(Errno) {
            try entries.pointee.seek(to: cookie, folder.descriptor)
            while let entry = try entries.pointee.peek(folder.descriptor) {
                guard writer.fits(nameCount: entry.nameCount, plus: selection.plus) else {
                    // Nothing at all would mean the end of the folder.
                    if writer.count == 0 { throw .invalidArgument }
                    return
                }
                append(entry, of: folder, &selection, into: &writer)
                entries.pointee.take(entry)
            }
        } catch {
            if writer.count == 0 { throw error }
        }
    }

    private func append(
        _ entry: FolderListing.Entry, of folder: Folder, _ selection: inout NodeSelection,
        into writer: inout DirectoryEntryWriter
    ) {
        // What is above the root is nobody's business: it is its own parent, as the host's "/" is.
        let own = folder.inode.key
        let inode = clientNumber(folder.isRoot && entry.isParent ? own.inode : entry.inode, on: own.device)
        let name = UnsafeRawBufferPointer(start: entry.name, count: entry.nameCount)
        writer.append(
            inode: inode, cookie: UInt64(bitPattern: entry.cookie), type: entry.type, name: name,
            entry: !selection.plus
                ? nil : selection.includes(entry.type) ? lookedUp(entry, in: folder) : fuse_entry_out())
    }

    /// An entry of READDIRPLUS with its node. Without one, which leaves it to the client to look the name up, for "."
    /// and "..", for a name that went away or can't be had now, and when nodes are too many to be held.
    private func lookedUp(_ listed: FolderListing.Entry, in folder: Folder) -> fuse_entry_out {
        guard !listed.isDot else { return fuse_entry_out() }
        do throws(Errno) {
            return try entry(in: folder.descriptor, of: folder.inode, folder.node, listed)
        } catch {
            return fuse_entry_out()
        }
    }
}
