public import FUSEWire
import Synchronization
public import Syscalls
public import SystemPackage
public import VirtioFSDevice

import CKernel

/// A folder of the host as a FUSE file system.
///
/// No request reaches what is not below the folder: each step of a path is one openat(2) of one checked name that
/// follows no symbolic link, from a descriptor that the step before left. No FIFO, socket or device is ever opened. What
/// a request carries is taken for hostile: it can be refused, but not do harm.
///
/// Permissions are checked by the client's kernel (`default_permissions`); what is created belongs to who asked for it.
/// Errors are the host's.
public final class HostDirectory: FileSystem {
    public let options: HostDirectoryOptions
    let inodes: InodeTable
    let handles: HandleTable
    let locks = LockTable()
    let listingHabits = ListingHabits()
    let descriptors: DescriptorFolder
    let attributeValidity: Validity
    let entryValidity: Validity
    let negativeValidity: Validity
    /// The device number of the share itself.
    let ownDevice: UInt64
    let hiddenCapabilities: [CChar]?
    private let writeback = Atomic<Bool>(false)
    private let submounts = Atomic<Bool>(false)
    private let umaskIsOurs = Atomic<Bool>(false)

    /// Serves the folder at `path`, which may be reached through symbolic links. Not before the last fork(2) of the
    /// process.
    public convenience init(path: FilePath, options: HostDirectoryOptions = HostDirectoryOptions()) throws(Errno) {
        try self.init(root: try FileDescriptor.folder(at: path), descriptors: DescriptorFolder(), options: options)
    }

    /// Serves a folder in a process that reaches nothing else by a path.
    ///
    /// - Parameters:
    ///   - root: the folder, with `O_PATH`.
    ///   - descriptors: the process's /proc/self/fd, with `O_PATH`.
    ///   - isWorkingFolder: whether that is the working folder of all threads.
    public convenience init(
        root: consuming OwnedDescriptor, descriptors: consuming OwnedDescriptor, isWorkingFolder: Bool,
        options: HostDirectoryOptions = HostDirectoryOptions()
    ) throws(Errno) {
        let folder = DescriptorFolder(descriptors, isWorkingFolder: isWorkingFolder)
        try self.init(root: root, descriptors: folder, options: options)
    }

    private init(
        root: consuming OwnedDescriptor, descriptors: consuming DescriptorFolder, options: HostDirectoryOptions
    ) throws(Errno) {
        self.options = options
        hiddenCapabilities = Self.hiddenCapabilities(options.attributeRules)
        attributeValidity = Validity(options.attributeTimeout ?? options.cache.timeout)
        entryValidity = Validity(options.entryTimeout ?? options.cache.timeout)
        negativeValidity = Validity(options.negativeTimeout)
        self.descriptors = descriptors
        var status = CKernel.statx()
        try root.descriptor.status(mask: InodeKey.mask, into: &status)
        ownDevice = InodeKey(status).device
        let mounts = MountTable(
            root: root.descriptor, InodeKey(status).mount, isEnabled: options.fileHandles)
        inodes = try InodeTable(
            root: root.release(), status, mounts: mounts, budget: DescriptorBudget(inodes: options.descriptorBudget))
        handles = HandleTable(inodes: inodes)
    }

    /// How many lookups the client has to give back: the sum of nlookup of all nodes.
    public var lookupCount: UInt64 { inodes.lookupCount }
    /// How many nodes the client knows, the root included.
    public var inodeCount: Int { inodes.count }
    /// How many files and folders the client has open.
    public var openHandleCount: Int { handles.count }

    /// How many of the nodes are held by a handle of the host's and no descriptor.
    public var evictedInodeCount: Int { inodes.evictedCount }

    /// How many of the nodes are known by name alone, because nobody has used them yet, or no descriptor was left for them.
    public var namedInodeCount: Int { inodes.namedCount }

    /// Whether nodes can be held by handles: it was wanted, and the host allows it.
    public var usesFileHandles: Bool { inodes.mounts.canReopen }

    /// Whether the client collects writes, and so needs to read what it opened for writing.
    var isWriteback: Bool { writeback.load(ordering: .relaxed) }

    /// Whether the client is told where other file systems begin in the share.
    var announcesSubmounts: Bool { submounts.load(ordering: .relaxed) }

    /// Whether modes come with the caller's umask still on.
    var appliesUmask: Bool { umaskIsOurs.load(ordering: .relaxed) }

    public func begin(offered: InitFlags) -> InitFlags {
        end()
        var chosen = offered.intersection(wanted)
        // A folder's default ACL takes the umask's place, so who has ACLs applies umasks, too.
        let acls: InitFlags = [.posixACL, .dontMask]
        if !chosen.isSuperset(of: acls) { chosen.subtract(acls) }
        umaskIsOurs.store(chosen.contains(.dontMask), ordering: .relaxed)
        submounts.store(chosen.contains(.submounts), ordering: .relaxed)
        writeback.store(chosen.contains(.writebackCache), ordering: .relaxed)
        return chosen
    }

    private var wanted: InitFlags {
        var flags: InitFlags = [
            .asyncRead, .bigWrites, .atomicTruncate, .doReaddirplus, .readdirplusAuto, .parallelDirectoryOperations,
            .asyncDirectIO, .maxPages, .handleKillprivV2, .initExtended, .setxattrExtended,
            .createSupplementaryGroup, .submounts,
        ]
        if probeACLs() { flags.formUnion([.posixACL, .dontMask]) }
        flags.insert(options.cache == .always ? .cacheSymlinks : .autoInvalidateData)
        if options.locks { flags.formUnion([.posixLocks, .flockLocks]) }
        if options.writeback { flags.insert(.writebackCache) }
        if !options.attributesInListings { flags.subtract([.doReaddirplus, .readdirplusAuto]) }
        if !options.killsPrivileges { flags.remove(.handleKillprivV2) }
        if !options.announcesSubmounts { flags.remove(.submounts) }
        return flags
    }

    public func end() {
        locks.removeAll()
        handles.removeAll()
        inodes.removeAll()
    }
}

// MARK: - What every operation begins with

extension HostDirectory {
    /// Runs `body` with what holds a node; nothing closes it meanwhile. ESTALE if there is no such node.
    @inline(__always)
    func withNode<Result>(
        _ node: NodeID, _ body: (FileDescriptor, Inode) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        let pin = try inodes.pin(node)
        defer { inodes.unpin(pin) }
        let held = pin.wasEvicted ? try reopen(pin) : InodeDescriptor(held: pin.record.heldDescriptor)
        defer { held.end() }
        return try body(held.descriptor, pin.payload)
    }

    /// An inode without descriptor. When its name or its handle leads to it no more, but it is open, then through that.
    private func reopen(_ pin: InodeTable.Pin) throws(Errno) -> InodeDescriptor {
        do throws(Errno) {
            return try inodes.descriptor(of: pin)
        } catch .staleNFSFileHandle {
            guard !pin.header.pointee.pins.isPinnedOnce, let file = handles.pin(ofNode: pin.id) else {
                throw .staleNFSFileHandle
            }
            defer { handles.unpin(file) }
            return inodes.keep(try descriptors.hold(file.payload.descriptor), for: pin)
        }
    }

    /// Runs `body` with what holds the folder `parent`, in which `name` is to be looked for.
    @inline(__always)
    func withFolder<Result>(
        _ parent: NodeID, _ name: FileName, _ body: (FileDescriptor) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        guard name.isEntryName else { throw .invalidArgument }
        return try withNode(parent) { descriptor, _ throws(Errno) in try body(descriptor) }
    }

    /// Runs `body` with an open file or folder; RELEASE doesn't close it meanwhile. EBADF if there is none.
    @inline(__always)
    func withHandle<Result>(
        _ handle: UInt64, of node: NodeID, _ kind: OpenFile.Kind,
        _ body: (HandleTable.Pin) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        let pin = try handles.pin(handle, of: node, kind)
        defer { handles.unpin(pin) }
        return try body(pin)
    }

    func refuseChange() throws(Errno) {
        if options.readOnly { throw .readOnlyFileSystem }
    }
}
