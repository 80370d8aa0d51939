import CKernel
public import SystemPackage

/// Mounts of this process's own (mount_namespaces(7)). Each call throws the `errno` of its man page.
public enum MountTree {
    /// A copy of the mount that holds what `path` names below `folder`, beginning there, and attached nowhere: ".." at its
    /// root stays there. The corresponding call is open_tree(2) with `OPEN_TREE_CLONE`; it needs CAP_SYS_ADMIN.
    ///
    /// - Parameter isDeep: whether mounts below it come along.
    public static func copy(
        of path: UnsafePointer<CChar>, in folder: FileDescriptor = .workingFolder, isDeep: Bool
    ) throws(Errno) -> OwnedDescriptor {
        let flags = UInt32(OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | (isDeep ? AT_RECURSIVE : 0))
        return OwnedDescriptor(
            owning: FileDescriptor(rawValue: try check(open_tree(folder.rawValue, path, flags))))
    }

    /// Attaches a copy at `path`. The corresponding call is move_mount(2).
    public static func attach(_ tree: FileDescriptor, at path: UnsafePointer<CChar>) throws(Errno) {
        try check(move_mount(tree.rawValue, "", AT_FDCWD, path, UInt32(MOVE_MOUNT_F_EMPTY_PATH)))
    }

    /// Sets `MOUNT_ATTR_*` on a copy and what is below it. The corresponding call is mount_setattr(2).
    public static func set(_ attributes: UInt64, on tree: FileDescriptor) throws(Errno) {
        try check(ck_set_mount_attributes(tree.rawValue, attributes))
    }

    /// Keeps what happens to this namespace's mounts from the one that it was made from, but not the other way round
    /// (`MS_SLAVE`).
    public static func becomeReceiver() throws(Errno) {
        try check(mount(nil, "/", nil, UInt(MS_SLAVE | MS_REC), nil))
    }

    /// Makes the mount `tree`, which is attached, this process's root, and lets go of the old one with all that is mounted
    /// below it. The corresponding calls are pivot_root(2) and umount2(2) with `MNT_DETACH`.
    public static func becomeRoot(_ tree: FileDescriptor) throws(Errno) {
        try tree.makeWorkingFolder()
        // Both names of it: the old root then lies on top of the new one (pivot_root(2), NOTES).
        try check(ck_pivot_root(".", "."))
        try check(umount2(".", Int32(MNT_DETACH)))
        try check(chdir("/"))
    }
}

extension FileDescriptor {
    /// The corresponding call is fchdir(2).
    public func makeWorkingFolder() throws(Errno) { try check(fchdir(rawValue)) }
}
