import CKernel
import SystemPackage

/// Users, groups and attribute names that differ between client and host. Where none do, nothing happens here.
extension HostDirectory {
    @inline(__always)
    func hostUser(_ id: UInt32) throws(Errno) -> UInt32 {
        guard let users = options.users else { return id }
        return try users.hostID(id)
    }

    @inline(__always)
    func hostGroup(_ id: UInt32) throws(Errno) -> UInt32 {
        guard let groups = options.groups else { return id }
        return try groups.hostID(id)
    }

    @inline(__always)
    func clientUser(_ id: UInt32) -> UInt32 { options.users?.clientID(id) ?? id }

    @inline(__always)
    func clientGroup(_ id: UInt32) -> UInt32 { options.groups?.clientID(id) ?? id }

    /// Whether ids are not the same on both sides, so that ACLs, which name some, can't be passed on.
    var translatesIDs: Bool { options.users != nil || options.groups != nil }

    /// Runs `body` with what the host calls an extended attribute.
    @inline(__always)
    func withHostName<Result>(
        _ name: UnsafePointer<CChar>, _ body: (UnsafePointer<CChar>) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        if translatesIDs, strncmp(name, "system.posix_acl_", 17) == 0 { throw .notSupported }
        guard let rules = options.attributeRules else { return try body(name) }
        return try rules.withHostName(name, body)
    }

    /// Takes a file's capabilities away before it changes. The host does so itself, where they have their own name.
    @inline(__always)
    func dropCapabilities(of descriptor: FileDescriptor) {
        if let hiddenCapabilities { drop(hiddenCapabilities, of: descriptor) }
    }

    private func drop(_ name: [CChar], of descriptor: FileDescriptor) {
        do throws(Errno) {
            try descriptors.removeAttribute(of: descriptor, name)
        } catch {
            // There were none.
        }
    }

    /// What "security.capability" is called on the host, if it is not the same.
    static func hiddenCapabilities(_ rules: AttributeRules?) -> [CChar]? {
        let own = "security.capability"
        guard let name = rules?.hostName(own), strcmp(name, own) != 0 else { return nil }
        return name
    }

    /// Whether ACLs are the host's own.
    static func leavesACLs(_ rules: AttributeRules?) -> Bool {
        guard let rules else { return true }
        return ["system.posix_acl_access", "system.posix_acl_default"].allSatisfy { own in
            rules.hostName(own).map { strcmp($0, own) == 0 } ?? false
        }
    }
}
