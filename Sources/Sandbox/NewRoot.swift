import CKernel
import Glibc
import Syscalls
import SystemPackage

/// The share as all that a process sees of the host's files.
struct NewRoot {
    let share: FileDescriptor
    let isReadOnly: Bool

    /// Makes the share, which is the working folder, the root of a mount namespace of this process's own, in which nothing
    /// else is mounted.
    ///
    /// No program is run from it, no device that the guest has made is opened, and no symbolic link of the guest's is
    /// followed there, whoever asks.
    func pivot() throws(SandboxError) -> ConfinedShare {
        try step("keep mounts apart") { () throws(Errno) in try MountTree.becomeReceiver() }
        let descriptors = try copyDescriptors()
        let tree = try step("copy the share") { () throws(Errno) in try restrictedCopy() }
        // Any folder will do, and this one is sure to be there: the old root is gone with the next call.
        try step("attach the share") { () throws(Errno) in try MountTree.attach(tree.descriptor, at: "/proc") }
        try step("make the share the root") { () throws(Errno) in try MountTree.becomeRoot(tree.descriptor) }
        return try confined(tree.release(), descriptors)
    }

    private func restrictedCopy() throws(Errno) -> OwnedDescriptor {
        let tree = try MountTree.copy(of: ".", isDeep: true)
        try MountTree.set(attributes, on: tree.descriptor)
        return tree
    }

    private var attributes: UInt64 {
        let always = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW
        return UInt64(always | (isReadOnly ? MOUNT_ATTR_RDONLY : 0))
    }

    /// Makes the share the root of this process (chroot(2)): a copy of its mount, as ``pivot()`` has it, where this process
    /// may make one. Elsewhere the share has no such restrictions, and ".." leads from /proc/self/fd to all files.
    func change() throws(SandboxError) -> ConfinedShare {
        try step("enter the share") { () throws(Errno) in try share.makeWorkingFolder() }
        let mayCopy = CapabilitySet.permitted.contains(.sysAdmin)
        let root = try step("copy the share") { () throws(Errno) in
            mayCopy ? try restrictedCopy().release() : try share.duplicateClosingOnExec().release()
        }
        let descriptors = mayCopy ? try copyDescriptors() : try openDescriptors()
        try step("make the share the root") { () throws(Errno) in
            try root.makeWorkingFolder()
            try checked(chroot("."))
        }
        return try confined(root, descriptors)
    }

    /// Changes nothing.
    func keep() throws(SandboxError) -> ConfinedShare {
        let root = try step("hold the share") { () throws(Errno) in try share.duplicateClosingOnExec() }
        return ConfinedShare(root: root.release(), descriptors: try openDescriptors(), hasWorkingFolder: false)
    }

    /// /proc/self/fd as a mount of its own, with nothing above it.
    private func copyDescriptors() throws(SandboxError) -> FileDescriptor {
        try step("copy /proc/self/fd") { () throws(Errno) in
            try MountTree.copy(of: "/proc/self/fd", isDeep: false).release()
        }
    }

    private func openDescriptors() throws(SandboxError) -> FileDescriptor {
        try step("open /proc/self/fd") { () throws(Errno) in
            try FileDescriptor.workingFolder.openAt("/proc/self/fd", flags: O_PATH | O_DIRECTORY)
        }
    }

    /// What the process has, once the root is the share.
    private func confined(
        _ root: FileDescriptor, _ descriptors: FileDescriptor
    ) throws(SandboxError) -> ConfinedShare {
        // Where the kernel has no call for it, extended attributes are reached by a path from here.
        try step("change the working folder") { () throws(Errno) in try descriptors.makeWorkingFolder() }
        return ConfinedShare(root: root, descriptors: descriptors, hasWorkingFolder: true)
    }

    private func checked(_ result: Int32) throws(Errno) {
        if result < 0 { throw Errno(rawValue: errno) }
    }
}
