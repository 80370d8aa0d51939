import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

/// Extended attributes, ACLs among them (xattr(7), acl(5)): the host's own. Who may see and change them is checked by the
/// client's kernel, and once more by the host for what this process may not do.
extension HostDirectory {
    public func setxattr(
        _ node: NodeID, _ name: FileName, _ value: UnsafeRawBufferPointer, flags: UInt32, killsSetGID: Bool,
        _ request: Request
    ) throws(Errno) {
        try checkAttributes()
        try refuseChange()
        try withNode(node) { descriptor, _ throws(Errno) in
            try withHostName(name.pointer) { name throws(Errno) in
                try descriptors.setAttribute(of: descriptor, name, value, flags: Int32(bitPattern: flags))
            }
            if killsSetGID { try dropSetGID(descriptor) }
        }
    }

    /// The host keeps the set-group-ID bit at a change of the access ACL, because this process may.
    private func dropSetGID(_ descriptor: FileDescriptor) throws(Errno) {
        var status = CKernel.statx()
        try descriptor.status(mask: UInt32(STATX_MODE), into: &status)
        let mode = mode_t(status.stx_mode)
        guard mode & 0o2000 != 0 else { return }
        try descriptors.changeMode(of: descriptor, mode & 0o5777)
    }

    public func getxattr(
        _ node: NodeID, _ name: FileName, into buffer: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> Int {
        try checkAttributes()
        return try withNode(node) { descriptor, _ throws(Errno) in
            try withHostName(name.pointer) { name throws(Errno) in
                try descriptors.attribute(of: descriptor, name, into: buffer)
            }
        }
    }

    public func listxattr(
        _ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> Int {
        try checkAttributes()
        return try withNode(node) { descriptor, _ throws(Errno) in
            if let rules = options.attributeRules { return try listHostNames(of: descriptor, rules, into: buffer) }
            if request.uid == 0 { return try descriptors.attributeNames(of: descriptor, into: buffer) }
            return try namesForOthers(descriptor, into: buffer)
        }
    }

    private func listHostNames(
        of descriptor: FileDescriptor, _ rules: AttributeRules, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        let list = UnsafeMutableRawBufferPointer.allocate(byteCount: AttributeNames.largestList, alignment: 1)
        defer { list.deallocate() }
        let count = try descriptors.attributeNames(of: descriptor, into: list)
        let names = rules.clientNames(list[..<count])
        // Without a buffer, the client asks how large it has to be.
        guard !buffer.isEmpty else { return names.count }
        guard names.count <= buffer.count else { throw Errno(rawValue: ERANGE) }
        buffer.copyBytes(from: names)
        return names.count
    }

    /// Without `trusted.`: those names exist for nobody but who has CAP_SYS_ADMIN (xattr(7)), and the client's kernel, which
    /// refuses their values, does not take them out of a list.
    private func namesForOthers(
        _ descriptor: FileDescriptor, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        let all = UnsafeMutableRawBufferPointer.allocate(byteCount: AttributeNames.largestList, alignment: 1)
        defer { all.deallocate() }
        let names = AttributeNames(all[..<(try descriptors.attributeNames(of: descriptor, into: all))])
        return try names.copy(into: buffer) { !$0.starts(with: "trusted.".utf8) }
    }

    public func removexattr(_ node: NodeID, _ name: FileName, _ request: Request) throws(Errno) {
        try checkAttributes()
        try refuseChange()
        try withNode(node) { descriptor, _ throws(Errno) in
            try withHostName(name.pointer) { name throws(Errno) in
                try descriptors.removeAttribute(of: descriptor, name)
            }
        }
    }

    private func checkAttributes() throws(Errno) {
        if !options.extendedAttributes { throw .noFunction }
    }

    /// Whether the share's file system has ACLs.
    func probeACLs() -> Bool {
        guard options.extendedAttributes, options.posixACLs, !translatesIDs, Self.leavesACLs(options.attributeRules)
        else { return false }
        let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        do throws(Errno) {
            _ = try withNode(.root) { descriptor, _ throws(Errno) in
                try descriptors.attribute(of: descriptor, "system.posix_acl_access", into: nothing)
            }
            return true
        } catch {
            return error.rawValue == ENODATA
        }
    }
}
