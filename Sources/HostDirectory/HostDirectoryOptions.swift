/// How a ``HostDirectory`` serves its folder.
public struct HostDirectoryOptions: Sendable {
    /// What the client may keep.
    public var cache: CacheMode
    /// Lets the client collect writes before it sends them, when it can (`FUSE_WRITEBACK_CACHE`).
    public var writeback: Bool
    /// Refuses every change with EROFS.
    public var readOnly: Bool
    /// Opens files for direct I/O on the host, too, when the client's program asks for it.
    public var allowDirectIO: Bool
    /// How long attributes are good for, where the cache mode's time is not wanted.
    public var attributeTimeout: Duration?
    /// How long a name means the same file, where the cache mode's time is not wanted.
    public var entryTimeout: Duration?
    /// How long a name that was not found is taken not to exist. Zero, as in virtiofsd: the client asks each time.
    public var negativeTimeout: Duration
    /// How many descriptors the nodes that the client knows may take before unused ones are held by handles instead; half
    /// of what the process may have open, if nothing is given.
    public var descriptorBudget: Int?
    /// Lets nodes be held by handles (name_to_handle_at(2)), where the host and its privileges allow it.
    public var fileHandles: Bool
    /// Serves extended attributes.
    public var extendedAttributes: Bool
    /// Serves POSIX ACLs, where the host's file system has them, and leaves it to the client to go by them.
    public var posixACLs: Bool
    /// Serves locks, so that clients, other mounts and the host's processes respect each other's; else each client keeps
    /// its own.
    public var locks: Bool
    /// Serves listings with the attributes of what is listed (READDIRPLUS).
    public var attributesInListings: Bool = true
    /// Has the device take away set-user-ID and capabilities where a change calls for it (`FUSE_HANDLE_KILLPRIV_V2`), and not
    /// the client.
    public var killsPrivileges: Bool = true
    /// Tells the client which folders are mount points of the host, so that it makes mounts of its own of them
    /// (`FUSE_SUBMOUNTS`): inode numbers are then unique in each.
    public var announcesSubmounts: Bool = true
    /// What the client's users are on the host, and its groups; ACLs, which name ids too, are then not served.
    public var users: IDTranslation?
    public var groups: IDTranslation?
    /// What the client's extended attributes are called on the host.
    public var attributeRules: AttributeRules?

    public init(
        cache: CacheMode = .auto, writeback: Bool = false, readOnly: Bool = false, allowDirectIO: Bool = false,
        attributeTimeout: Duration? = nil, entryTimeout: Duration? = nil, negativeTimeout: Duration = .zero,
        descriptorBudget: Int? = nil, fileHandles: Bool = true, extendedAttributes: Bool = true, posixACLs: Bool = true,
        locks: Bool = true
    ) {
        self.cache = cache
        self.writeback = writeback
        self.readOnly = readOnly
        self.allowDirectIO = allowDirectIO
        self.attributeTimeout = attributeTimeout
        self.entryTimeout = entryTimeout
        self.negativeTimeout = negativeTimeout
        self.descriptorBudget = descriptorBudget
        self.fileHandles = fileHandles
        self.extendedAttributes = extendedAttributes
        self.posixACLs = posixACLs
        self.locks = locks
    }
}
