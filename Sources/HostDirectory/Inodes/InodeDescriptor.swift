import Syscalls
import SystemPackage

/// A descriptor of a pinned inode: the inode's own, or where no more can be held, one for a single request.
struct InodeDescriptor: BitwiseCopyable {
    let descriptor: FileDescriptor
    private let isPassing: Bool

    /// The inode's own, valid as long as the inode is pinned.
    @inline(__always)
    init(held descriptor: FileDescriptor) { (self.descriptor, isPassing) = (descriptor, false) }

    /// One for a request, to be closed by ``end()``.
    init(passing descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor.release()
        isPassing = true
    }

    /// To be called exactly once, before the inode is unpinned.
    @inline(__always)
    func end() {
        if isPassing { descriptor.closeOwned() }
    }
}
