public import CKernel
public import FUSEWire
public import SystemPackage

/// What concerns the names in folders, and the nodes that they lead to.
extension FUSEClient {
    /// LOOKUP: the node of a name. Each success counts one lookup, to be given back by ``forget(_:_:)``.
    public func lookup(_ parent: NodeID, _ name: EntryName, as caller: Caller) async throws(Errno) -> fuse_entry_out {
        try await callForEntry(.lookup, parent, as: caller) { $0.append(name) }
    }

    /// FORGET: gives back `count` lookups of a node, no more than are held. Never answered, so it is not waited for.
    public func forget(_ node: NodeID, _ count: UInt64 = 1) {
        let held = lookups.take(node, count)
        guard held > 0 else { return }
        var request = RequestEncoder(.forget, node, id: RequestID(rawValue: 0), as: .root)
        request.append(fuse_forget_in(nlookup: held))
        request.seal(extra: 0)
        driver.post(request.bytes)
    }

    /// BATCH_FORGET: gives back one lookup of each of the nodes; a node may be there several times.
    public func forget(_ nodes: some Sequence<NodeID>) {
        sendBatch(nodes.filter { lookups.take($0, 1) == 1 }.map { fuse_forget_one(nodeid: $0.rawValue, nlookup: 1) })
    }

    /// Gives back all lookups.
    public func forgetAll() { sendBatch(lookups.takeAll()) }

    /// The driver sends it in pieces where it is long.
    private func sendBatch(_ batch: [fuse_forget_one]) {
        guard !batch.isEmpty else { return }
        var request = RequestEncoder(.batchForget, NodeID(rawValue: 0), id: RequestID(rawValue: 0), as: .root)
        request.append(fuse_batch_forget_in(count: UInt32(batch.count), dummy: 0))
        for one in batch { request.append(one) }
        request.seal(extra: 0)
        driver.post(request.bytes)
    }

    // MARK: making

    /// The mode of something new: where DONT_MASK was not negotiated, the umask is the client's to apply.
    func created(_ mode: UInt32, _ caller: Caller) -> UInt32 {
        negotiated.contains(.dontMask) ? mode : mode & ~(caller.umask & 0o777)
    }

    /// Appends the group of the folder, if the caller has it beside its own.
    func appendGroup(_ request: inout RequestEncoder, _ folderGroup: UInt32?, _ caller: Caller) {
        guard let folderGroup, negotiated.contains(.createSupplementaryGroup),
            folderGroup != caller.gid, caller.supplementaryGroups.contains(folderGroup)
        else { return }
        request.append(supplementaryGroup: folderGroup)
    }

    /// MKNOD: a file of any type but folder and link.
    ///
    /// - Parameters:
    ///   - mode: type and permissions.
    ///   - device: as `fuse_mknod_in.rdev` has it (`new_encode_dev`): major and minor of a device node.
    ///   - folderGroup: the parent's group, of use where the caller has it as a supplementary one.
    public func mknod(
        _ parent: NodeID, _ name: EntryName, mode: UInt32, device: UInt32 = 0, folderGroup: UInt32? = nil,
        as caller: Caller
    ) async throws(Errno) -> fuse_entry_out {
        try await callForEntry(.mknod, parent, as: caller) { request in
            request.append(
                fuse_mknod_in(mode: created(mode, caller), rdev: device, umask: caller.umask, padding: 0))
            request.append(name)
            appendGroup(&request, folderGroup, caller)
        }
    }

    /// MKDIR. `folderGroup` is the parent's.
    public func mkdir(
        _ parent: NodeID, _ name: EntryName, mode: UInt32, folderGroup: UInt32? = nil, as caller: Caller
    ) async throws(Errno) -> fuse_entry_out {
        try await callForEntry(.mkdir, parent, as: caller) { request in
            request.append(fuse_mkdir_in(mode: created(mode, caller), umask: caller.umask))
            request.append(name)
            appendGroup(&request, folderGroup, caller)
        }
    }

    /// SYMLINK. `folderGroup` is the parent's.
    public func symlink(
        _ parent: NodeID, _ name: EntryName, target: EntryName, folderGroup: UInt32? = nil, as caller: Caller
    ) async throws(Errno) -> fuse_entry_out {
        try await callForEntry(.symlink, parent, as: caller) { request in
            request.append(name)
            request.append(target)
            appendGroup(&request, folderGroup, caller)
        }
    }

    /// READLINK: a link's target.
    public func readlink(_ node: NodeID, as caller: Caller) async throws(Errno) -> EntryName {
        try await call(.readlink, node, as: caller, { _ in }) { .success(EntryName($0)) }
    }

    /// LINK: another name for a node. It counts one lookup, as ``lookup(_:_:as:)`` does.
    public func link(
        _ node: NodeID, to parent: NodeID, _ name: EntryName, as caller: Caller
    ) async throws(Errno) -> fuse_entry_out {
        try await callForEntry(.link, parent, as: caller) { request in
            request.append(fuse_link_in(oldnodeid: node.rawValue))
            request.append(name)
        }
    }

    // MARK: taking away

    /// UNLINK.
    public func unlink(_ parent: NodeID, _ name: EntryName, as caller: Caller) async throws(Errno) {
        try await perform(.unlink, parent, as: caller) { $0.append(name) }
    }

    /// RMDIR.
    public func rmdir(_ parent: NodeID, _ name: EntryName, as caller: Caller) async throws(Errno) {
        try await perform(.rmdir, parent, as: caller) { $0.append(name) }
    }

    /// RENAME, or RENAME2 where there are flags (renameat2(2)).
    public func rename(
        _ parent: NodeID, _ name: EntryName, to newParent: NodeID, _ newName: EntryName, flags: UInt32 = 0,
        as caller: Caller
    ) async throws(Errno) {
        try await perform(flags == 0 ? .rename : .rename2, parent, as: caller) { request in
            if flags == 0 {
                request.append(fuse_rename_in(newdir: newParent.rawValue))
            } else {
                request.append(fuse_rename2_in(newdir: newParent.rawValue, flags: flags, padding: 0))
            }
            request.append(name)
            request.append(newName)
        }
    }
}
